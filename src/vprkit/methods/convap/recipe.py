"""How ConvAP is trained (Ali-bey et al., GSV-Cities, Neurocomputing 2022): 100 places of 4 images, 320 px."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from vprkit.config import option
from vprkit.data.sampling import PlaceSampling
from vprkit.methods.convap.network import ConvAPConfig, ConvAPNetwork
from vprkit.training.places import PlaceConfig, place_task
from vprkit.training.schedules import Schedule
from vprkit.training.settings import Optimiser
from vprkit.training.starting import ConvTrunk


@dataclass(frozen=True)
class ConvAPRecipe(PlaceConfig):
    """Settings of recipe `convap`."""

    model: ConvAPConfig = option(factory=ConvAPConfig, help="the network")
    trunk: ConvTrunk = option(
        factory=partial(ConvTrunk, frozen_layers=5), help="where the ResNet starts, and what of it learns"
    )
    epochs: int = option(30, "[free] passes over the training set")
    sampling: PlaceSampling = option(factory=partial(PlaceSampling, places=100), help="which images make a batch")
    optimiser: Optimiser = option(factory=partial(Optimiser, "adamw", 2e-4), help="how weights follow gradients")
    schedule: Schedule = option(
        factory=partial(Schedule, "multi_step", warmup_steps=600, milestones=(5, 10, 15, 25), factor=0.3),
        help="how the learning rate changes",
    )

    def start(self, network: ConvAPNetwork) -> None:
        self.trunk.fill(network.trunk, self.model.backbone)

    def freeze(self, network: ConvAPNetwork) -> None:
        self.trunk.freeze(network.trunk, self.model.backbone)


def task(settings: PlaceConfig, train: Mapping[str, Any]) -> Any:
    """Metric learning on places."""
    return place_task("convap", settings, train)
