"""What a loss saw as negatives, and how old it was: one record a line in a run's log, for figures."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vprkit import config
from vprkit.errors import ConfigError, DataError
from vprkit.losses.memory import Remembered
from vprkit.losses.multi_similarity import WeighingLoss
from vprkit.losses.pairs import Indices, cosines
from vprkit.training.run_folder import LOG

BINS = 40
KEY = "negatives"
"""Under which a line of the log holds a record."""


@dataclass(frozen=True)
class Negatives:
    """The negative pairs of one batch against a memory. What is of the batch itself has age 0.

    Attributes:
        iteration: batches that the memory had seen, this one included.
        batch, memory: distinct (anchor, negative) pairs within the batch, and with remembered images.
        ages: (A,) ages that occur, ascending; batches since the image came in.
        counts: (A,) pairs of each age.
        weights: (A,) what a negative of this age counts in the loss.
        similarities: (A,) their mean cosine similarity.
        edges: (K + 1,) borders of the cosines that the histograms count.
        histogram_batch, histogram_memory: (K,) pairs by cosine similarity.
    """

    iteration: int
    batch: int
    memory: int
    ages: tuple[int, ...]
    counts: tuple[int, ...]
    weights: tuple[float, ...]
    similarities: tuple[float, ...]
    edges: tuple[float, ...]
    histogram_batch: tuple[int, ...]
    histogram_memory: tuple[int, ...]


def negative_pairs(indices: Indices) -> tuple[Tensor, Tensor]:
    """(anchors, negatives) of pairs or triplets, each pair once."""
    if len(indices) == 4:
        return indices[2], indices[3]
    anchors, _, negatives = indices
    columns = int(negatives.max()) + 1 if len(negatives) else 1
    pairs = torch.unique(anchors * columns + negatives)
    return pairs // columns, pairs % columns


def record_of(found: Remembered, vectors: Tensor, loss: object, iteration: int) -> Negatives:
    """The record of a batch.

    Args:
        found: its loss against the memory.
        vectors: (B, D) of the batch.
        loss: what was computed; one that does not weigh counts every negative by 1.
        iteration: batches that the memory has seen.
    """
    anchors, columns = negative_pairs(found.indices)
    ages = found.references.ages[columns].cpu()
    similar = cosines(vectors.detach(), found.references.vectors)[anchors, columns].float().cpu().clamp(-1, 1)
    counts = ages.bincount()
    present = counts.nonzero().flatten()
    sums = ages.bincount(weights=similar.double())
    weights = torch.ones(len(counts))
    if isinstance(loss, WeighingLoss):
        weights[ages] = found.log_weights[columns].exp().cpu()
    return Negatives(
        iteration=iteration,
        batch=int((ages == 0).sum()),
        memory=int((ages > 0).sum()),
        ages=tuple(present.tolist()),
        counts=tuple(counts[present].tolist()),
        weights=_rounded(weights[present]),
        similarities=_rounded(sums[present] / counts[present]),
        edges=_rounded(torch.linspace(-1, 1, BINS + 1)),
        histogram_batch=_histogram(similar[ages == 0]),
        histogram_memory=_histogram(similar[ages > 0]),
    )


def read_negatives(run: str | Path) -> dict[int, Negatives]:
    """The records of a run by optimiser step (`memory.record_every`); of several at one step the last.

    Args:
        run: its folder.

    Raises:
        DataError: there is no log, or a line cannot be read.
    """
    path = Path(run) / LOG
    if not path.is_file():
        raise DataError(f"{path} is not there; give the folder of a run that was trained with memory.record_every")
    found: dict[int, Negatives] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            values = json.loads(line)
            if KEY in values:
                found[int(values["step"])] = config.from_dict(Negatives, values[KEY])
        except (ConfigError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}, line {number} cannot be read ({error})") from error
    return found


def _histogram(values: Tensor) -> tuple[int, ...]:
    return tuple(int(count) for count in torch.histc(values, BINS, -1, 1))


def _rounded(values: Tensor) -> tuple[float, ...]:
    """Six digits: enough for figures, and a log that can be read."""
    return tuple(float(f"{value:.6g}") for value in values.tolist())
