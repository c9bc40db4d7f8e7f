"""Matches between salient patches for a whole grid of thresholds, from similarities that are looked at once."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from vprkit.errors import ConfigError
from vprkit.features import Features, LocalFeatures
from vprkit.rerank.guided import Mask
from vprkit.rerank.guided_full import Full
from vprkit.rerank.guided_matches import GuidedMatches
from vprkit.rerank.mutual_matches import local_of
from vprkit.rerank.reranker import Shortlist


@dataclass(frozen=True)
class GuidedGrid:
    """A re-ranker that leaves every shortlist as it is and keeps its counts for every pair of thresholds.

    Attributes:
        saliencies: S thresholds, rising.
        similarities: T thresholds, rising.
        mask: as of `GuidedMatches`.
        counts: for every query so far (N, S, T) counts of its shortlist.
    """

    saliencies: tuple[float, ...]
    similarities: tuple[float, ...]
    mask: Mask = "strict"
    counts: list[np.ndarray] = field(default_factory=list, compare=False)

    def __post_init__(self) -> None:
        for name, values in (("saliency", self.saliencies), ("similarity", self.similarities)):
            if not values or any(one >= other for one, other in itertools.pairwise(values)):
                raise ConfigError(f"thresholds of {name} must rise, got {list(values)}")

    def begin(self, query: Features, shortlist: Shortlist) -> "GridScorer":
        return GridScorer(self, local_of(query), shortlist)


class GridScorer:
    """One query's counts for every pair of thresholds."""

    def __init__(self, grid: GuidedGrid, query: LocalFeatures, shortlist: Shortlist) -> None:
        self.grid = grid
        self.full = Full(GuidedMatches(mask=grid.mask), query, shortlist)
        self.parts: list[np.ndarray] = []

    def score(self, candidates: Features) -> Tensor:
        for part in self.full.parts(local_of(candidates)):
            self.parts.append(self._counts(*(values.cpu().numpy() for values in self.full.both(part))))
        return torch.zeros(len(candidates))

    def settle(self, scores: Tensor) -> Tensor:
        self.grid.counts.append(np.concatenate(self.parts))
        return scores

    def _counts(self, share: np.ndarray, similar: np.ndarray) -> np.ndarray:
        """(N, S, T) how many of (N, Lq) patches exceed both thresholds."""
        below = [
            np.searchsorted(np.array(rising, np.float32), values, "left")
            for rising, values in ((self.grid.saliencies, share), (self.grid.similarities, similar))
        ]
        shape = (len(share), len(self.grid.saliencies) + 1, len(self.grid.similarities) + 1)
        cells = np.ravel_multi_index((np.arange(len(share))[:, None], *below), shape)
        there = np.bincount(cells.ravel(), minlength=int(np.prod(shape))).reshape(shape)
        above = there[:, ::-1, ::-1].cumsum(1).cumsum(2)[:, ::-1, ::-1]
        return above[:, 1:, 1:].astype(np.int32)


def thresholds(text: str | Sequence[float]) -> tuple[float, ...]:
    """`0.1,0.5`, `0.1:0.9:0.1` (start, end included, step), or numbers, as rising thresholds.

    Raises:
        ConfigError: it is none of these.
    """
    if not isinstance(text, str):
        return tuple(sorted(map(float, text)))
    try:
        if ":" not in text:
            return tuple(sorted({float(part) for part in text.split(",")}))
        start, end, step = (float(part) for part in text.split(":"))
        steps = round((end - start) / step)
        return tuple(round(start + step * number, 10) for number in range(steps + 1))
    except (ValueError, ZeroDivisionError) as error:
        raise ConfigError(f"thresholds '{text}': write 0.1,0.5 or start:end:step such as 0.1:0.9:0.1") from error
