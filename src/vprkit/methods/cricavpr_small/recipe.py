"""CricaVPR-small on GSV-Cities, with settings of ours (SALAD's at 224 px)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from vprkit.config import option
from vprkit.data.sampling import PlaceSampling
from vprkit.methods.cricavpr_small.network import CricaVPRConfig, CricaVPRNetwork
from vprkit.training.places import PlaceConfig, place_task
from vprkit.training.schedules import Schedule
from vprkit.training.settings import Optimiser
from vprkit.training.starting import ViTTrunk, dinov2_name


@dataclass(frozen=True)
class CricaVPRRecipe(PlaceConfig):
    """Settings of recipe `cricavpr_small`: those of SALAD. The encoder attends across the batch."""

    model: CricaVPRConfig = option(factory=CricaVPRConfig, help="the network")
    trunk: ViTTrunk = option(factory=ViTTrunk, help="where the DINOv2 starts, and what of it learns")
    epochs: int = option(4, "[free] passes over the training set")
    image_size: tuple[int, int] = option((224, 224), "(height, width) of training images")
    sampling: PlaceSampling = option(factory=partial(PlaceSampling, places=60), help="which images make a batch")
    optimiser: Optimiser = option(
        factory=partial(Optimiser, "adamw", 6e-5, 9.5e-9), help="how weights follow gradients"
    )
    schedule: Schedule = option(
        factory=partial(Schedule, "linear", start=1.0, end=0.2, epochs=4000, per_step=True),
        help="how the learning rate changes",
    )

    def start(self, network: CricaVPRNetwork) -> None:
        self.trunk.fill(network.trunk, dinov2_name(self.model.size, 0))

    def freeze(self, network: CricaVPRNetwork) -> None:
        self.trunk.freeze(network.trunk)


def task(settings: PlaceConfig, train: Mapping[str, Any]) -> Any:
    """Metric learning on places."""
    return place_task("cricavpr_small", settings, train)
