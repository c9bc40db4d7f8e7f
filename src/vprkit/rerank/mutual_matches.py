"""Re-ranking by the number of mutual nearest neighbours between local descriptors (Lu et al., SelaVPR, ICLR 2024)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vprkit.errors import VprError
from vprkit.features import Features, LocalFeatures
from vprkit.rerank.mutual import best_cells, count_matches


@dataclass(frozen=True)
class MutualMatches:
    """The score of a candidate is how many of the query's cells it matches; no geometry is checked.

    Attributes:
        single_is_none: one match counts as none, as published; the order of candidates is the same without.
    """

    single_is_none: bool = True

    def begin(self, query: Features, shortlist: int) -> "PreparedQuery":
        return PreparedQuery(_cells(_local(query), 0), self.single_is_none)

    def matches(self, query: Features, other: Features) -> Tensor:
        """(M, 2) matched cells of a query and of another image (one row of features each), for pictures."""
        one, two = (_cells(_local(features), 0) for features in (query, other))
        cells = best_cells(one, two[None])
        matched = cells.mutual[0].nonzero()[:, 0]
        return torch.stack([matched, cells.candidate[0, matched]], 1)


@dataclass(frozen=True)
class PreparedQuery:
    """(Lq, C) cells of a query."""

    cells: Tensor
    single_is_none: bool

    def score(self, candidates: Features) -> Tensor:
        local = _local(candidates)
        if bool((local.counts == local.tokens.shape[1]).all()):
            counts = count_matches(self.cells, local.tokens)
        else:
            counts = torch.cat([count_matches(self.cells, _cells(local, row)[None]) for row in range(len(local))])
        return torch.where(counts >= 2, counts, 0) if self.single_is_none else counts


def _cells(local: LocalFeatures, row: int) -> Tensor:
    return local.tokens[row, : int(local.counts[row])]


def _local(features: Features) -> LocalFeatures:
    if features.local is None:
        raise VprError("re-ranking by matches needs local features, there are none")
    return features.local
