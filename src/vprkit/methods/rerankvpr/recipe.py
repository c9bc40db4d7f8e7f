"""How RerankVPR is trained: GSV-Cities, 64 places of 4 images, 224 px, from the sixth epoch against a memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from vprkit.config import option
from vprkit.data.sampling import PlaceSampling
from vprkit.errors import ConfigError
from vprkit.methods.rerankvpr.criteria import LOSSES
from vprkit.methods.rerankvpr.network import RerankVPRConfig
from vprkit.training.augmentation import Augmentation
from vprkit.training.dino_places import DinoPlaceConfig
from vprkit.training.losses import Criterion, make_loss, make_miner
from vprkit.training.memory import MemorySettings
from vprkit.training.places import place_task
from vprkit.training.schedules import Schedule
from vprkit.training.settings import Optimiser, Validation

PUBLISHED = "published"


@dataclass(frozen=True)
class RerankVPRRecipe(DinoPlaceConfig):
    """Settings of recipe `rerankvpr`; its authors train in fp16, `running.precision=auto` takes bf16 on a GPU."""

    model: RerankVPRConfig = option(factory=RerankVPRConfig, help="the network")
    epochs: int = option(30, "[free] passes over the training set")
    seed: int = option(1234, "decides initial weights and every draw")
    test_size: tuple[int, int] | None = option((322, 322), "of validation, and of the weights written")
    sampling: PlaceSampling = option(
        factory=partial(PlaceSampling, places=64, within_groups=False), help="which images make a batch"
    )
    augmentation: Augmentation = option(
        factory=partial(Augmentation, rand_augment=3, rand_augment_magnitude=9), help="how images are changed"
    )
    loss: str = option(
        "multi_similarity",
        "multi_similarity (alpha 2, beta 50, base 0.5), triplet_margin, contrastive, contrastive_official (as "
        "published: pushes nothing apart), nca, or any other that is registered",
    )
    miner: str = option(
        PUBLISHED,
        "published: the one that belongs to the loss (to nca and to registered losses: none); none; multi_similarity, "
        "hard_triplets, triplet_margin, pair_margin, or any other that is registered, each with its own numbers",
    )
    margin: float = option(0.1, "of the triplet loss, and how far beyond the hardest the published miners look")
    memory: MemorySettings = option(
        factory=partial(MemorySettings, size=16384, start_epoch=5), help="earlier batches as further negatives"
    )
    optimiser: Optimiser = option(
        factory=partial(Optimiser, "adamw", 1e-5, 9.5e-9), help="how weights follow gradients"
    )
    schedule: Schedule = option(
        factory=partial(Schedule, "exponential", warmup_steps=200, factor=0.99), help="how the learning rate changes"
    )
    validation: Validation = option(
        factory=partial(Validation, recalls=(1, 5, 10), patience=3, min_delta=1e-5, keep=2, batch_size=64),
        help="the deployed metric during training",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.margin < 0:
            raise ConfigError(f"margin must be at least 0, got {self.margin}")

    def criterion(self) -> Criterion:
        own = LOSSES.get(self.loss)
        made = own(self.margin) if own else Criterion(make_loss(self.loss, LOSSES), None)
        return made if self.miner == PUBLISHED else made._replace(miner=make_miner(self.miner, [PUBLISHED]))


def task(settings: RerankVPRRecipe, train: Mapping[str, Any]) -> Any:
    """Metric learning on places."""
    return place_task("rerankvpr", settings, train)
