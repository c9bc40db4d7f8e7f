"""How MixVPR is trained (Ali-bey et al., WACV 2023, section 4.1): GSV-Cities, 120 places of 4 images, 320 px."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from vprkit.config import option
from vprkit.methods.mixvpr.network import MixVPRConfig, MixVPRNetwork
from vprkit.training.places import PlaceConfig, check_size, place_task
from vprkit.training.schedules import Schedule
from vprkit.training.settings import Optimiser
from vprkit.training.starting import ConvTrunk


@dataclass(frozen=True)
class MixVPRRecipe(PlaceConfig):
    """Settings of recipe `mixvpr`."""

    model: MixVPRConfig = option(factory=MixVPRConfig, help="the network")
    trunk: ConvTrunk = option(factory=ConvTrunk, help="where the ResNet starts, and what of it learns")
    epochs: int = option(80, "[free] passes over the training set")
    optimiser: Optimiser = option(factory=partial(Optimiser, "sgd", 0.05, 1e-3), help="how weights follow gradients")
    schedule: Schedule = option(
        factory=partial(Schedule, "multi_step", warmup_steps=650, milestones=(5, 10, 15, 25, 45), factor=0.3),
        help="how the learning rate changes",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_size(self.image_size, self.model.image_size)

    def start(self, network: MixVPRNetwork) -> None:
        self.trunk.fill(network.trunk, self.model.backbone)

    def freeze(self, network: MixVPRNetwork) -> None:
        self.trunk.freeze(network.trunk, self.model.backbone)


def task(settings: MixVPRRecipe, train: Mapping[str, Any]) -> Any:
    """Metric learning on places."""
    return place_task("mixvpr", settings, train)
