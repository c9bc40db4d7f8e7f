"""Vectors of earlier batches as further references for a loss: cross-batch memory (Wang et al., CVPR 2020) with decay.

RerankVPR lets a remembered negative count `exp(-decay * age)`, its age being the batches that came since. A batch is
remembered before pairs are mined, so it is part of its own reference set; the copies have no gradient.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vprkit.errors import ConfigError
from vprkit.losses.multi_similarity import WeighingLoss
from vprkit.losses.pairs import Indices, all_pairs


@dataclass(frozen=True)
class References:
    """What a batch is compared with.

    Attributes:
        vectors: (R, D) the filled slots of the memory, in their order.
        labels: (R,) their places.
        ages: (R,) int64 batches since each was stored; 0 for the batch itself.
        own: (B,) the slot of each image of the batch.
    """

    vectors: Tensor
    labels: Tensor
    ages: Tensor
    own: Tensor


@dataclass(frozen=True)
class Remembered:
    """A loss against the memory.

    Attributes:
        loss: scalar; its gradient flows through the anchors alone.
        indices: the pairs or triplets it saw, slots of the memory as positives and negatives.
        references: what these slots hold.
        log_weights: (R,) logarithm of what each slot counts as a negative, in losses that weigh.
    """

    loss: Tensor
    indices: Indices
    references: References
    log_weights: Tensor


class MemoryBank(nn.Module):
    """A queue of vectors with their places and the time they came in.

    Its numbers are extra state, not buffers: data parallelism need not send them around (every rank remembers the
    gathered batch), a checkpoint holds the filled slots alone, and weights files never hold any.

    Args:
        size: slots (M).

    Attributes:
        vectors: (M, D), zeros where nothing was stored; (M, 0) before the first batch.
        labels, stamps: (M,) int64 places and times.
        position: the next slot.
        filled: whether every slot holds something.
        steps: batches seen so far; not set back by `reset`.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        if size < 1:
            raise ConfigError(f"a memory needs one slot at least, got {size}")
        self.size, self.steps = size, 0
        self.reset()

    def reset(self) -> None:
        """Forget every vector; the count of batches goes on."""
        self.vectors = torch.zeros(self.size, 0)
        self.labels = torch.zeros(self.size, dtype=torch.int64)
        self.stamps = torch.zeros(self.size, dtype=torch.int64)
        self.position, self.filled = 0, False

    @property
    def used(self) -> int:
        """Slots that hold something."""
        return self.size if self.filled else self.position

    def remember(self, vectors: Tensor, labels: Tensor) -> References:
        """Store a batch, the oldest making room, and give all that is remembered now.

        Args:
            vectors: (B, D), stored as they are, without gradient.
            labels: (B,) places.

        Raises:
            ConfigError: the batch is larger than the memory.
        """
        count = len(vectors)
        if count > self.size:
            raise ConfigError(
                f"a batch of {count} images does not fit into a memory of {self.size}; raise memory.size, or lower "
                "sampling.places or sampling.images"
            )
        self._place(vectors)
        own = torch.arange(self.position, self.position + count, device=vectors.device) % self.size
        self.vectors[own] = vectors.detach()
        self.labels[own] = labels.to(torch.int64)
        self.stamps[own] = self.steps
        following = (self.position + count) % self.size
        self.filled = self.filled or following <= self.position
        self.position = following
        part = slice(0, self.used)
        ages = self.steps - self.stamps[part]
        self.steps += 1
        return References(self.vectors[part], self.labels[part], ages, own)

    def get_extra_state(self) -> dict[str, Any]:
        """All that a run needs to go on exactly."""
        part = slice(0, self.used)
        return {
            # Clones: a view would drag the whole storage into the file.
            "vectors": self.vectors[part].clone(),
            "labels": self.labels[part].clone(),
            "stamps": self.stamps[part].clone(),
            "position": self.position,
            "filled": self.filled,
            "steps": self.steps,
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.reset()
        part = slice(0, len(state["labels"]))
        self.vectors = state["vectors"].new_zeros(self.size, state["vectors"].shape[1])
        self.vectors[part], self.labels[part], self.stamps[part] = state["vectors"], state["labels"], state["stamps"]
        self.position, self.filled, self.steps = state["position"], state["filled"], state["steps"]

    def _place(self, vectors: Tensor) -> None:
        """Slots of the width, kind of number and device that the batch has."""
        if not self.vectors.shape[1]:
            self.vectors = self.vectors.new_zeros(self.size, vectors.shape[1])
        self.vectors = self.vectors.to(vectors)
        self.labels, self.stamps = self.labels.to(vectors.device), self.stamps.to(vectors.device)


def memory_loss(
    bank: MemoryBank,
    loss: Callable[..., Tensor],
    miner: Callable[..., Indices] | None,
    vectors: Tensor,
    labels: Tensor,
    *,
    decay: float = 0.0,
    keep_single: bool = False,
) -> Remembered:
    """Remember a batch, mine it against the memory, and compute its loss.

    Args:
        bank: the memory; it is changed.
        loss: takes (vectors, labels, indices, reference vectors, reference labels). A `WeighingLoss` counts negatives
            by their age, any other one by 1, as published.
        miner: takes (vectors, labels, reference vectors, reference labels); None for all pairs.
        vectors: (B, D).
        labels: (B,) places.
        decay: lambda; a negative of age a counts exp(-decay * a).
        keep_single: the published defect: a batch of one image keeps its own copy as a positive.
    """
    references = bank.remember(vectors, labels)
    among = (references.vectors, references.labels)
    chosen = all_pairs(labels, references.labels) if miner is None else miner(vectors, labels, *among)
    if not (keep_single and len(vectors) == 1):
        chosen = without_own(chosen, references.own)
    log_weights = -decay * references.ages.float()
    weighed = (log_weights,) if isinstance(loss, WeighingLoss) else ()
    return Remembered(loss(vectors, labels, chosen, *among, *weighed), chosen, references, log_weights)


def without_own(indices: Indices, own: Tensor) -> Indices:
    """The pairs (or triplets) without those whose positive is the anchor's own copy.

    Args:
        indices: four or three lists.
        own: (B,) the slot of each anchor.
    """
    kept = own[indices[0]] != indices[1]
    positives = (indices[0][kept], indices[1][kept])
    return (*positives, *indices[2:]) if len(indices) == 4 else (*positives, indices[2][kept])
