"""Re-ranking by the number of mutual nearest neighbours between local descriptors (Lu et al., SelaVPR, ICLR 2024)."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from vprkit import device as devices
from vprkit.config import option
from vprkit.errors import ConfigError, VprError
from vprkit.features import Features, LocalFeatures
from vprkit.rerank.cells import ends
from vprkit.rerank.mutual import best_cells, count_matches
from vprkit.rerank.reranker import Scorer, Shortlist

Products = Literal["exact", "half", "checked"]


@dataclass(frozen=True)
class MutualMatches:
    """The score of a candidate is how many of the query's cells it matches; no geometry is checked."""

    single_is_none: bool = option(True, "one match counts as none, as published; the order is the same without")
    products: Products = option(
        "exact", "exact: float32; half: bf16 or fp16, miscounts a few in a hundred; checked: half, near ties exact"
    )
    doubt: float = option(
        0.02, "checked: candidates within this share of a neighbour's count in the order are counted again exactly"
    )

    def __post_init__(self) -> None:
        if not 0 <= self.doubt <= 1:
            raise ConfigError(f"doubt is a share from 0 to 1, got {self.doubt}")

    def begin(self, query: Features, shortlist: Shortlist) -> Scorer:
        return _SCORERS[self.products](self, _cells(local_of(query), 0), shortlist)

    def matches(self, query: Features, other: Features) -> Tensor:
        """(M, 2) matched cells of a query and of another image (one row of features each), for pictures."""
        one, two = (_cells(local_of(features), 0) for features in (query, other))
        cells = best_cells(one, two[None])
        matched = cells.mutual[0].nonzero()[:, 0]
        return torch.stack([matched, cells.candidate[0, matched]], 1)

    def positions(self, grid: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
        """(h * w, 2) pixels (x, y) of the cells of a dense map, for pictures."""
        return ends(grid, size)


class Exact:
    """Counts through float32 products.

    Args:
        settings: of the re-ranker.
        cells: (Lq, C) of the query.
        shortlist: what it will be compared with.
    """

    def __init__(self, settings: MutualMatches, cells: Tensor, shortlist: Shortlist) -> None:
        self.settings, self.cells, self.shortlist = settings, cells, shortlist

    def score(self, candidates: Features) -> Tensor:
        return self._counted(self.cells, local_of(candidates))

    def _counted(self, cells: Tensor, local: LocalFeatures) -> Tensor:
        """(N,) counts by products in the type of the query's cells."""
        if bool((local.counts == local.tokens.shape[1]).all()):
            counts = count_matches(cells, local.tokens.to(cells.dtype))
        else:
            rows = (_cells(local, row)[None].to(cells.dtype) for row in range(len(local)))
            counts = torch.cat([count_matches(cells, row) for row in rows])
        return torch.where(counts >= 2, counts, 0) if self.settings.single_is_none else counts


class Half(Exact):
    """Counts through half-precision products."""

    def __init__(self, settings: MutualMatches, cells: Tensor, shortlist: Shortlist) -> None:
        super().__init__(settings, cells, shortlist)
        self.half = cells.to(devices.half_type(cells.device))

    def score(self, candidates: Features) -> Tensor:
        return self._counted(self.half, local_of(candidates))


class Checked(Half):
    """`Half`, and whoever could change places with a neighbour is counted again exactly."""

    def settle(self, scores: Tensor) -> Tensor:
        places = near_ties(scores.cpu().numpy(), self.settings.doubt)
        if not len(places):
            return scores
        exact = [self._counted(self.cells, local_of(block)) for block in self.shortlist.take(places)]
        return scores.index_put((torch.from_numpy(places).to(scores.device),), torch.cat(exact))


_SCORERS: dict[Products, type[Exact]] = {"exact": Exact, "half": Half, "checked": Checked}


def near_ties(scores: np.ndarray, doubt: float) -> np.ndarray:
    """Places of scores whose neighbour in the order is as high, or less than the share `doubt` away."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order].astype(np.float64)
    near = ordered[:-1] - ordered[1:] <= doubt * ordered[:-1]
    doubtful = np.zeros(len(scores), bool)
    doubtful[order[:-1][near]] = doubtful[order[1:][near]] = True
    return np.flatnonzero(doubtful)


def local_of(features: Features) -> LocalFeatures:
    """The local features that a re-ranker works on.

    Raises:
        VprError: there are none.
    """
    if features.local is None:
        raise VprError("re-ranking by matches needs local features, there are none")
    return features.local


def _cells(local: LocalFeatures, row: int) -> Tensor:
    return local.tokens[row, : int(local.counts[row])]
