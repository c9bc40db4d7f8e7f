"""Re-ranking by matches between patches that the ViT itself attends to (RerankVPR)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vprkit import device as devices
from vprkit.config import option
from vprkit.errors import VprError
from vprkit.features import Features, LocalFeatures
from vprkit.rerank.cells import centres
from vprkit.rerank.guided import Mask, matched, owners, without_nan
from vprkit.rerank.guided_full import Full, saliency_of
from vprkit.rerank.mutual_matches import local_of
from vprkit.rerank.reranker import Scorer, Shortlist


@dataclass(frozen=True)
class GuidedMatches:
    """The score of a candidate is how many of the query's salient patches it matches."""

    saliency: float = option(0.3, "share of the attention's range that a patch must exceed, in both images")
    similarity: float = option(0.65, "cosine that a match must exceed")
    mask: Mask = option(
        "strict", "strict, per_candidate, or official (the published numbers): see vprkit.rerank.guided"
    )

    def begin(self, query: Features, shortlist: Shortlist) -> Scorer:
        local = local_of(query)
        if local.tokens.device.type != "cpu":
            return Full(self, local, shortlist)
        devices.enable_fast_fp32()
        return _PRUNED[self.mask](self, local, shortlist)

    def matches(self, query: Features, other: Features) -> Tensor:
        """(M, 2) matched patches of two images (one row each), for pictures; the official mask sees no others."""
        one, two = (Patches.of(local_of(features).map(Tensor.cpu), 0) for features in (query, other))
        scorer = _PRUNED["strict" if self.mask == "strict" else "per_candidate"]
        return torch.from_numpy(scorer.pairs(self, one, two))

    def positions(self, grid: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
        """(h * w, 2) pixels (x, y) of the patches' centres, for pictures."""
        return centres(grid, size)


class Patches:
    """One image's patches.

    Attributes:
        tokens: (L, C) unit descriptors.
        saliency: (L,) without NaN.
    """

    def __init__(self, tokens: Tensor, saliency: Tensor) -> None:
        self.tokens, self.saliency = tokens.numpy(), without_nan(saliency).numpy()

    @staticmethod
    def of(local: LocalFeatures, row: int) -> "Patches":
        """One row of a batch on the CPU."""
        count = int(local.counts[row])
        return Patches(local.tokens[row, :count], saliency_of(local)[row, :count])

    def salient(self, threshold: float) -> np.ndarray:
        """(L,) bool."""
        return np.asarray(self.saliency > np.float32(threshold))


class Strict:
    """Counts matches whose patches are salient in both images."""

    def __init__(self, settings: GuidedMatches, query: LocalFeatures, shortlist: Shortlist) -> None:
        self.settings, self.query = settings, Patches.of(query, 0)

    def score(self, candidates: Features) -> Tensor:
        local = local_of(candidates)
        return torch.tensor([self.count(Patches.of(local, row)) for row in range(len(local))], dtype=torch.int64)

    def count(self, candidate: Patches) -> int:
        return len(self.pairs(self.settings, self.query, candidate))

    @staticmethod
    def pairs(settings: GuidedMatches, query: Patches, candidate: Patches) -> np.ndarray:
        """(M, 2) matched patches."""
        rows = np.flatnonzero(query.salient(settings.saliency))
        columns = candidate.salient(settings.saliency)
        return matched(query.tokens, candidate.tokens, rows, columns, np.float32(settings.similarity))


class PerCandidate(Strict):
    """Counts matches of query patches that are the nearest of some salient patch of the candidate."""

    @staticmethod
    def pairs(settings: GuidedMatches, query: Patches, candidate: Patches) -> np.ndarray:
        rows = nearest_of(query, candidate, candidate.salient(settings.saliency))
        rows = rows[query.salient(settings.saliency)[rows]]
        return matched(query.tokens, candidate.tokens, rows, None, np.float32(settings.similarity))


class Official(Strict):
    """Counts matches of query patches that are, in the first candidate, nearest of a patch salient in any."""

    def __init__(self, settings: GuidedMatches, query: LocalFeatures, shortlist: Shortlist) -> None:
        super().__init__(settings, query, shortlist)
        first, anywhere = None, np.zeros(0, bool)
        for block in shortlist.blocks():
            local = local_of(block)
            for row in range(len(local)):
                patches = Patches.of(local, row)
                salient = patches.salient(settings.saliency)
                if first is None:
                    first, anywhere = patches, salient
                if len(salient) != len(anywhere):
                    raise VprError("the official mask compares maps of one size; resize all images alike")
                anywhere = anywhere | salient
        assert first is not None, "a shortlist that is scored has candidates"
        rows = nearest_of(self.query, first, anywhere)
        self.rows = rows[self.query.salient(settings.saliency)[rows]]

    def count(self, candidate: Patches) -> int:
        threshold = np.float32(self.settings.similarity)
        return len(matched(self.query.tokens, candidate.tokens, self.rows, None, threshold))


_PRUNED: dict[Mask, type[Strict]] = {"strict": Strict, "per_candidate": PerCandidate, "official": Official}


def nearest_of(query: Patches, candidate: Patches, salient: np.ndarray) -> np.ndarray:
    """Query patches, rising, that are the nearest of one of the candidate's salient patches."""
    columns = np.flatnonzero(salient)
    return np.unique(owners(query.tokens, candidate.tokens, columns)) if len(columns) else columns
