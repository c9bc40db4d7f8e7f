"""NetVLAD on GSV-Cities, with settings of ours: its authors trained on Street View triplets (CVPR 2016)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from vprkit.config import option
from vprkit.data.sampling import PlaceSampling
from vprkit.methods.netvlad.network import NetVLADConfig, NetVLADNetwork
from vprkit.training.places import PlaceConfig, place_task
from vprkit.training.schedules import Schedule
from vprkit.training.settings import Optimiser
from vprkit.training.starting import ConvTrunk


@dataclass(frozen=True)
class NetVLADRecipe(PlaceConfig):
    """Settings of recipe `netvlad`: those of ConvAP; like its authors, only the last five convolutions learn."""

    model: NetVLADConfig = option(factory=NetVLADConfig, help="the network")
    trunk: ConvTrunk = option(
        factory=partial(ConvTrunk, frozen_layers=24), help="where the VGG-16 starts, and what of it learns"
    )
    epochs: int = option(30, "[free] passes over the training set")
    sampling: PlaceSampling = option(factory=partial(PlaceSampling, places=60), help="which images make a batch")
    optimiser: Optimiser = option(factory=partial(Optimiser, "adamw", 1e-4), help="how weights follow gradients")
    schedule: Schedule = option(
        factory=partial(Schedule, "multi_step", warmup_steps=600, milestones=(5, 10, 15, 25), factor=0.3),
        help="how the learning rate changes",
    )

    def start(self, network: NetVLADNetwork) -> None:
        self.trunk.fill(network.trunk, "vgg16")

    def freeze(self, network: NetVLADNetwork) -> None:
        self.trunk.freeze(network.trunk, "vgg16")


def task(settings: PlaceConfig, train: Mapping[str, Any]) -> Any:
    """Metric learning on places."""
    return place_task("netvlad", settings, train)
