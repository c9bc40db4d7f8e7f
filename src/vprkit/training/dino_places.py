"""Metric learning on places with a DINOv2 trunk: SALAD's settings, which our recipes of its relatives share."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from vprkit.config import option
from vprkit.data.sampling import PlaceSampling
from vprkit.training.places import PlaceConfig
from vprkit.training.schedules import Schedule
from vprkit.training.settings import Optimiser
from vprkit.training.starting import ViTTrunk, dinov2_name


@dataclass(frozen=True)
class DinoPlaceConfig(PlaceConfig):
    """GSV-Cities, 60 places of 4 images, 224 px, the last four blocks (Izquierdo and Civera, SALAD, CVPR 2024).

    A recipe gives `model` its own type; its networks have a `trunk`.
    """

    model: Any = option(None, "the network")
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

    def start(self, network: Any) -> None:
        self.trunk.fill(network.trunk, dinov2_name(self.model.size, getattr(self.model, "registers", 0)))

    def freeze(self, network: Any) -> None:
        self.trunk.freeze(network.trunk)
