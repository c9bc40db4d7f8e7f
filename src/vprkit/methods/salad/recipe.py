"""How SALAD is trained (Izquierdo and Civera, CVPR 2024): GSV-Cities, 60 places of 4 images, 224 px, last 4 blocks."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from vprkit.config import option
from vprkit.data.sampling import PlaceSampling
from vprkit.methods.salad.network import SaladConfig, SaladNetwork
from vprkit.training.places import PlaceConfig, place_task
from vprkit.training.schedules import Schedule
from vprkit.training.settings import Optimiser
from vprkit.training.starting import ViTTrunk, dinov2_name


@dataclass(frozen=True)
class SaladRecipe(PlaceConfig):
    """Settings of recipe `salad`; its authors train in fp16, `running.precision=auto` takes bf16 on a GPU."""

    model: SaladConfig = option(factory=SaladConfig, help="the network")
    trunk: ViTTrunk = option(factory=ViTTrunk, help="where the DINOv2 starts, and what of it learns")
    epochs: int = option(4, "[free] passes over the training set")
    image_size: tuple[int, int] = option((224, 224), "(height, width) of training images")
    test_size: tuple[int, int] | None = option((322, 322), "of validation, and of the weights written")
    sampling: PlaceSampling = option(factory=partial(PlaceSampling, places=60), help="which images make a batch")
    optimiser: Optimiser = option(
        factory=partial(Optimiser, "adamw", 6e-5, 9.5e-9), help="how weights follow gradients"
    )
    schedule: Schedule = option(
        factory=partial(Schedule, "linear", start=1.0, end=0.2, epochs=4000, per_step=True),
        help="how the learning rate changes",
    )

    def start(self, network: SaladNetwork) -> None:
        self.trunk.fill(network.trunk, dinov2_name(self.model.size, self.model.registers))

    def freeze(self, network: SaladNetwork) -> None:
        self.trunk.freeze(network.trunk)


def task(settings: PlaceConfig, train: Mapping[str, Any]) -> Any:
    """Metric learning on places."""
    return place_task("salad", settings, train)
