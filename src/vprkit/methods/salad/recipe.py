"""How SALAD is trained (Izquierdo and Civera, CVPR 2024): GSV-Cities, 60 places of 4 images, 224 px."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vprkit.config import option
from vprkit.methods.salad.network import SaladConfig
from vprkit.training.dino_places import DinoPlaceConfig
from vprkit.training.places import place_task


@dataclass(frozen=True)
class SaladRecipe(DinoPlaceConfig):
    """Settings of recipe `salad`; its authors train in fp16, `running.precision=auto` takes bf16 on a GPU."""

    model: SaladConfig = option(factory=SaladConfig, help="the network")
    test_size: tuple[int, int] | None = option((322, 322), "of validation, and of the weights written")


def task(settings: SaladRecipe, train: Mapping[str, Any]) -> Any:
    """Metric learning on places."""
    return place_task("salad", settings, train)
