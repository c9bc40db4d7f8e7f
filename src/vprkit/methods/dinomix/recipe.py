"""DINO-Mix on GSV-Cities, with settings of ours (SALAD's); images stay at the size the mixer has weights for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vprkit.config import option
from vprkit.methods.dinomix.network import DinoMixConfig
from vprkit.training.dino_places import DinoPlaceConfig
from vprkit.training.places import check_size, place_task


@dataclass(frozen=True)
class DinoMixRecipe(DinoPlaceConfig):
    """Settings of recipe `dinomix`: those of SALAD."""

    model: DinoMixConfig = option(factory=DinoMixConfig, help="the network")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_size(self.image_size, (self.model.image_size,) * 2)


def task(settings: DinoMixRecipe, train: Mapping[str, Any]) -> Any:
    """Metric learning on places."""
    return place_task("dinomix", settings, train)
