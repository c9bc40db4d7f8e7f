"""CricaVPR-small on GSV-Cities, with settings of ours (SALAD's at 224 px)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vprkit.config import option
from vprkit.methods.cricavpr_small.network import CricaVPRConfig
from vprkit.training.dino_places import DinoPlaceConfig
from vprkit.training.places import place_task


@dataclass(frozen=True)
class CricaVPRRecipe(DinoPlaceConfig):
    """Settings of recipe `cricavpr_small`: those of SALAD. The encoder attends across the batch."""

    model: CricaVPRConfig = option(factory=CricaVPRConfig, help="the network")


def task(settings: CricaVPRRecipe, train: Mapping[str, Any]) -> Any:
    """Metric learning on places."""
    return place_task("cricavpr_small", settings, train)
