"""How `compact` learns: 16 places of 8 images from nothing, darker and brighter, at a high rate that falls to zero.

The defaults take about three minutes on two free CPU cores for a set of 600 places of 8 images (67,000 images pass);
docs/methods/compact.md has what was tried.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from vprkit.config import option
from vprkit.data.sampling import PlaceSampling
from vprkit.methods.compact.network import CompactConfig
from vprkit.training.augmentation import Augmentation
from vprkit.training.places import PlaceConfig, check_size, place_task
from vprkit.training.schedules import Schedule
from vprkit.training.settings import Optimiser, Running, Validation


@dataclass(frozen=True)
class CompactRecipe(PlaceConfig):
    """Settings of recipe `compact`."""

    model: CompactConfig = option(factory=CompactConfig, help="the network")
    image_size: tuple[int, int] = option((96, 96), "(height, width) of training images")
    epochs: int = option(14, "[free] passes over the training set")
    min_images: int = option(8, "places with fewer images are left out")
    keep_gb: float = option(
        1.0,
        "[free] memory for decoded images, in GB: they are decoded once while there is room (not with rand_augment)",
    )
    sampling: PlaceSampling = option(
        factory=partial(PlaceSampling, places=16, images=8, drop_last=True), help="which images make a batch"
    )
    augmentation: Augmentation = option(
        factory=partial(Augmentation, brightness=0.5, contrast=0.3), help="how images are changed in training"
    )
    optimiser: Optimiser = option(factory=partial(Optimiser, "adamw", 1e-2, 0.3), help="how weights follow gradients")
    schedule: Schedule = option(
        factory=partial(Schedule, "cosine", warmup_steps=20), help="how the learning rate changes"
    )
    validation: Validation = option(factory=partial(Validation, every=10), help="the deployed metric during training")
    running: Running = option(factory=partial(Running, channels_last=True), help="devices, memory, logs")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_size(self.image_size, self.model.image_size)


def task(settings: CompactRecipe, train: Mapping[str, Any]) -> Any:
    """Metric learning on places."""
    return place_task("compact", settings, train)
