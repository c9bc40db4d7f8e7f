"""MegaLoc on GSV-Cities, with settings of ours (SALAD's): its authors mix five data sets (CVPRW 2025)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vprkit.config import option
from vprkit.methods.megaloc.network import MegaLocConfig
from vprkit.training.dino_places import DinoPlaceConfig
from vprkit.training.places import place_task


@dataclass(frozen=True)
class MegaLocRecipe(DinoPlaceConfig):
    """Settings of recipe `megaloc`: those of SALAD."""

    model: MegaLocConfig = option(factory=MegaLocConfig, help="the network")
    test_size: tuple[int, int] | None = option((322, 322), "of validation, and of the weights written")


def task(settings: MegaLocRecipe, train: Mapping[str, Any]) -> Any:
    """Metric learning on places."""
    return place_task("megaloc", settings, train)
