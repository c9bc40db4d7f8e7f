"""Pair-VPR's second stage (recipe `pairvpr`): the global descriptor and the judge of pairs, trained together.

Multi-similarity on the descriptors of the whole batch, and for every image of it two questions to the decoder: does it
show the place of its hardest positive, and that of its hardest negative?
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from vprkit import config
from vprkit.config import option
from vprkit.data.places import Places
from vprkit.data.sampling import PlaceSampling
from vprkit.errors import ConfigError
from vprkit.losses.miners import BatchHardMiner
from vprkit.losses.pairs import Indices
from vprkit.methods.pairvpr.network import PairVPR, PairVPRConfig
from vprkit.methods.pairvpr.starting import start_pairvpr
from vprkit.training.augmentation import Augmentation
from vprkit.training.gathering import gather_embeddings, gather_labels, rank, world_size
from vprkit.training.gradient_cache import in_chunks
from vprkit.training.places import PlaceBatch, PlaceConfig, PlaceTask, check_size, open_training_places
from vprkit.training.schedules import Schedule
from vprkit.training.settings import Optimiser, Running, Validation
from vprkit.training.starting import PRETRAINED
from vprkit.training.task import Losses
from vprkit.weights.resolving import Choice, choose_by_name


@dataclass(frozen=True)
class PairVPRRecipe(PlaceConfig):
    """Settings of recipe `pairvpr`; defaults are the authors' for ViT-B (five GPUs with 20 places each)."""

    model: PairVPRConfig = option(factory=PairVPRConfig, help="the network")
    foundation: str = option(
        PRETRAINED, "without initial, the DINOv2 to start from: pretrained (in the weights folder), random, or a file"
    )
    random_blocks: bool = option(
        False, "new values for the DINOv2's linear layers and norms (the authors' train.random)"
    )
    image_size: tuple[int, int] = option((322, 322), "(height, width) of training images, the model's")
    sampling: PlaceSampling = option(
        factory=partial(PlaceSampling, places=100, reshuffle=False),
        help="which images make a batch; published: places in the order of the first epoch, city by city",
    )
    augmentation: Augmentation = option(
        factory=partial(Augmentation, rand_augment=3), help="how images are changed in training"
    )
    pair_weight: float = option(2.0, "of the pairs' loss beside the descriptors'")
    symmetric: bool = option(
        False, "judge every pair in both orders, as inference does; published: the anchor beside the class token only"
    )
    epochs: int = option(10, "[free] passes over the training set")
    optimiser: Optimiser = option(factory=partial(Optimiser, "adamw", 8e-5, 0.05), help="how weights follow gradients")
    schedule: Schedule = option(
        factory=partial(Schedule, "linear", start=1.0, end=0.2, epochs=6225, per_step=True),
        help="how the learning rate changes",
    )
    validation: Validation = option(
        factory=partial(Validation, recalls=(1, 5, 10, 15, 20, 50, 100), batch_size=40),
        help="the global descriptor alone; `vpr search-checkpoints` measures both stages afterwards",
    )
    running: Running = option(
        factory=partial(Running, deterministic=True, keep_every=1, skip_nonfinite=10), help="devices, memory, logs"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pair_weight < 0:
            raise ConfigError(f"pair_weight must not be negative, got {self.pair_weight}")


class Judged(NamedTuple):
    """Logits of T triplets: (T, orders) for (anchor, positive) and (anchor, negative); one order or both."""

    positive: Tensor
    negative: Tensor

    def loss(self) -> Tensor:
        """Binary cross-entropy, the mean over all pairs; 0 where there are none."""
        logits = torch.cat([self.positive, self.negative]).float()
        if not logits.numel():
            return logits.sum()
        targets = torch.cat([torch.ones_like(self.positive), torch.zeros_like(self.negative)]).float()
        return F.binary_cross_entropy_with_logits(logits, targets)


def judge(network: PairVPR, dense: Tensor, triplets: Indices, symmetric: bool, chunk: int | None) -> Judged:
    """What the decoder says of the pairs of every triplet; with several ranks each judges a share, and all know all.

    Args:
        network: the decoder's.
        dense: (B, N, D) of all ranks.
        triplets: three lists of rows: anchors, positives, negatives; the same on every rank.
        symmetric: ask in both orders.
        chunk: pairs per pass, see `in_chunks`.
    """
    count = len(triplets[0])
    share = slice(count * rank() // world_size(), count * (rank() + 1) // world_size())
    anchors, positives, negatives = (part[share] for part in triplets)

    def logits(ones: Tensor, others: Tensor) -> tuple[Tensor, ...]:
        return (network.pair_logit(dense[ones], dense[others]),)

    def answers(others: Tensor) -> Tensor:
        orders = [(anchors, others), *([(others, anchors)] if symmetric else [])]
        if not len(others):  # a rank may have none, but takes part in gathering, backwards too
            return gather_embeddings(dense[:0, 0, : len(orders)].float())
        mine = torch.cat([in_chunks(logits, order, chunk)[0] for order in orders], 1)
        return gather_embeddings(mine.float())

    return Judged(answers(positives), answers(negatives))


class PairVPRTask(PlaceTask):
    """Descriptors and pairs of batches of places.

    Args:
        choice: the method with the recipe's options.
        network: with initial weights, what does not learn frozen.
        places: the training set.
        settings: the recipe's configuration.
    """

    network: PairVPR
    settings: PairVPRRecipe

    def __init__(self, choice: Choice, network: PairVPR, places: Places, settings: PairVPRRecipe) -> None:
        super().__init__(choice, network, places, settings)
        self.hardest = BatchHardMiner()

    def forward(self, batch: PlaceBatch) -> Losses:
        settings, chunk = self.settings, self.settings.running.chunk
        mine, tokens = in_chunks(self.network.encode, (self._prepared(batch.images),), chunk)
        with torch.autocast(mine.device.type, enabled=False):
            vectors = gather_embeddings(self.network.descriptor(tokens.float()))
            labels = gather_labels(batch.labels)
            found = self._losses(vectors, labels)
        judged = judge(self.network, gather_embeddings(mine), self.hardest(vectors, labels), settings.symmetric, chunk)
        pairs, globally = judged.loss(), found["loss"]
        right = torch.cat([judged.positive > 0, judged.negative < 0]).float().mean()
        total = globally + settings.pair_weight * pairs
        return {**found, "loss": total, "global": globally, "pair": pairs, "pairs_right": right}


def task(settings: PairVPRRecipe, train: Mapping[str, Any]) -> PairVPRTask:
    """Batches of places.

    Raises:
        ConfigError: the model has no decoder class token, or images of another size than its tables.
    """
    if not settings.model.class_token:
        raise ConfigError("the second stage needs the decoder's class token; give model.class_token=true")
    check_size(settings.image_size, (settings.model.image_size,) * 2)
    choice = choose_by_name("pairvpr", config.to_dict(settings.model))
    places = open_training_places(train, settings)
    network = start_pairvpr(choice, settings.initial, settings.foundation, settings.random_blocks, settings.seed)
    return PairVPRTask(choice, network, places, settings)
