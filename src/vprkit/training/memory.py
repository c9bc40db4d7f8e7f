"""The memory of a training run: when it is used, what it gives the loss, what is written down about it.

Every rank remembers the gathered batch, in the order of the ranks, which is the order of a single process: the memory
is the same everywhere, its size counts images of all ranks, and nothing is sent but what the loss gathers anyway.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vprkit import config
from vprkit.config import option
from vprkit.errors import ConfigError, VprError
from vprkit.losses.memory import MemoryBank, Remembered, memory_loss
from vprkit.training.losses import Criterion
from vprkit.training.negatives import KEY, negative_pairs, record_of
from vprkit.training.task import Losses


@dataclass(frozen=True)
class MemorySettings:
    """A memory of earlier batches, whose images go on serving as negatives and positives."""

    size: int = option(0, "images of earlier batches that a batch is compared with, its own included; 0: no memory")
    start_epoch: int = option(0, "epochs before it is used; until then the loss sees the batch alone")
    decay: float = option(
        0.1,
        "a remembered negative counts exp(-decay x batches since): larger forgets faster, 0 counts old as new. "
        "multi_similarity weighs so; other losses count every negative by 1",
    )
    keep_single: bool = option(False, "a batch of one image keeps its own copy as a positive, as published")
    record_every: int = option(
        0, "[free] batches between records of the negatives (counts, ages, similarities, weights) in log.jsonl; 0: none"
    )

    def __post_init__(self) -> None:
        for name in ("size", "start_epoch", "decay", "record_every"):
            value = getattr(self, name)
            if value < 0:
                raise ConfigError(f"memory.{name} must be a number of at least 0, got {value}")

    def check(self, images: int) -> None:
        """Refuse batches of so many images where they do not fit.

        Raises:
            ConfigError: they are more than the memory holds.
        """
        if 0 < self.size < images:
            raise ConfigError(
                f"memory.size is {self.size}, but a batch has {images} images (sampling.places x sampling.images); "
                "raise memory.size, lower the batch, or set memory.size=0 for no memory"
            )


class Remembering(nn.Module):
    """A memory through the epochs of a run: emptied at the end of each, its count of batches going on.

    Args:
        settings: size (above 0), decay, when it begins.
    """

    def __init__(self, settings: MemorySettings) -> None:
        super().__init__()
        self.settings = settings
        self.bank = MemoryBank(settings.size)
        self.active = False
        self._tried = False
        self._records: list[Mapping[str, Any]] = []

    def start_epoch(self, epoch: int) -> None:
        """Whether this epoch uses it; a run that goes on inside an epoch keeps what was remembered."""
        self.active = epoch >= self.settings.start_epoch

    def end_epoch(self) -> None:
        """Forget every image."""
        self.bank.reset()

    def forward(self, criterion: Criterion, vectors: Tensor, labels: Tensor) -> Losses:
        """The loss of a batch against the memory, which it joins.

        Args:
            criterion: loss and miner.
            vectors: (B, D) of all ranks.
            labels: (B,).
        """
        found = self._loss(self.bank, criterion, vectors, labels)
        every = self.settings.record_every
        if every and self.bank.steps % every == 0:
            record = record_of(found, vectors, criterion.loss, self.bank.steps)
            self._records.append({KEY: config.to_dict(record)})
        return {"loss": found.loss, **_counts(found, len(labels))}

    def try_out(self, criterion: Criterion, vectors: Tensor, labels: Tensor) -> None:
        """Once, after the first batch: whether this loss and miner take references, long before an epoch that needs it.

        Raises:
            ConfigError: they do not.
        """
        if not self._tried:
            with torch.no_grad():
                # A memory of its own, half filled before: old images beside new ones.
                bank = MemoryBank(2 * len(vectors))
                bank.remember(vectors, labels)
                self._loss(bank, criterion, vectors, labels)

    def take_records(self) -> list[Mapping[str, Any]]:
        """What the log should hold since the last call."""
        records, self._records = self._records, []
        return records

    def _loss(self, bank: MemoryBank, criterion: Criterion, vectors: Tensor, labels: Tensor) -> Remembered:
        with nullcontext() if self._tried else _must_take_references(criterion):
            found = memory_loss(
                bank,
                criterion.loss,
                criterion.miner,
                vectors,
                labels,
                decay=self.settings.decay,
                keep_single=self.settings.keep_single,
            )
        self._tried = True
        return found


@contextmanager
def _must_take_references(criterion: Criterion) -> Iterator[None]:
    """Inside, what a loss or miner of anyone's raises becomes a sentence about the memory."""
    try:
        yield
    except (VprError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # anyone's code may raise anything
        names = " and miner ".join(type(part).__name__ for part in criterion if part is not None)
        raise ConfigError(
            f"the memory cannot be used with loss {names}, which take no references beside the batch ({error}); "
            "set memory.size=0, or choose another loss or miner"
        ) from error


def _counts(found: Remembered, images: int) -> dict[str, Tensor]:
    """Share of anchors with a mined positive, mined negatives by origin, mean age of the remembered ones."""
    _, columns = negative_pairs(found.indices)
    ages = found.references.ages[columns]
    remembered = (ages > 0).sum()
    return {
        "mined": torch.tensor(float(torch.unique(found.indices[0]).numel() / images)),
        "negatives_batch": (ages == 0).sum(),
        "negatives_memory": remembered,
        "negatives_age": ages.sum() / remembered.clamp(min=1),
    }
