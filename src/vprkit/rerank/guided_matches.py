"""Re-ranking by matches between patches that the ViT itself attends to (RerankVPR)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vprkit import device as devices
from vprkit.config import option
from vprkit.errors import VprError
from vprkit.features import Features, LocalFeatures
from vprkit.rerank.guided import Mask, matched, owners, per_candidate_shares, shares, without_nan
from vprkit.rerank.mutual import DEVICE_BYTES, best_cells
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
            return OnDevice(self, local, shortlist)
        devices.enable_fast_fp32()
        return _PRUNED[self.mask](self, local, shortlist)

    def matches(self, query: Features, other: Features) -> Tensor:
        """(M, 2) matched patches of two images (one row each), for pictures; the official mask sees no others."""
        one, two = (Patches.of(local_of(features).map(Tensor.cpu), 0) for features in (query, other))
        scorer = _PRUNED["strict" if self.mask == "strict" else "per_candidate"]
        return torch.from_numpy(scorer.pairs(self, one, two))


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
        return Patches(local.tokens[row, :count], _saliency(local)[row, :count])

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


class OnDevice:
    """Counts on an accelerator, from the full products of a few candidates at a time."""

    def __init__(self, settings: GuidedMatches, query: LocalFeatures, shortlist: Shortlist) -> None:
        count = int(query.counts[0])
        self.settings = settings
        self.tokens, self.saliency = query.tokens[0, :count], _saliency(query)[0, :count]
        self.shared = self._shared(shortlist) if settings.mask == "official" else None

    def score(self, candidates: Features) -> Tensor:
        return torch.cat([self._counts(part) for part in self._parts(local_of(candidates))])

    def _parts(self, local: LocalFeatures) -> Iterator[LocalFeatures]:
        """Candidates of one length each, as many at once as their products have room for."""
        most = max(1, DEVICE_BYTES // (4 * len(self.tokens) * local.tokens.shape[1]))
        rows = list(range(len(local)))
        whole = bool((local.counts == local.tokens.shape[1]).all())
        for start in range(0, len(rows), most if whole else 1):
            part = local.map(lambda tensor, start=start: tensor[start : start + (most if whole else 1)])  # type: ignore[misc]
            count = int(part.counts[0])
            yield LocalFeatures(part.tokens[:, :count], part.counts, saliency=_saliency(part)[:, :count])

    def _counts(self, part: LocalFeatures) -> Tensor:
        cells = best_cells(self.tokens, part.tokens)
        if self.shared is None:
            share = shares(cells, self.saliency, _saliency(part), self.settings.mask)
        else:
            share = torch.where(cells.mutual, torch.minimum(self.shared, without_nan(self.saliency)), -np.inf)
        saliency, similarity = (
            float(np.float32(value)) for value in (self.settings.saliency, self.settings.similarity)
        )
        return ((share > saliency) & (cells.similarity > similarity)).sum(1)

    def _shared(self, shortlist: Shortlist) -> Tensor:
        """(Lq,) what the official mask compares in every candidate: made of the first one's neighbours."""
        blocks = shortlist.blocks()
        local = local_of(next(blocks))
        first = best_cells(self.tokens, local.tokens[:1])
        anywhere = without_nan(_saliency(local)).amax(0)
        for block in blocks:
            anywhere = torch.maximum(anywhere, without_nan(_saliency(local_of(block))).amax(0))
        return per_candidate_shares(first, anywhere[None])[0]


_PRUNED: dict[Mask, type[Strict]] = {"strict": Strict, "per_candidate": PerCandidate, "official": Official}


def nearest_of(query: Patches, candidate: Patches, salient: np.ndarray) -> np.ndarray:
    """Query patches, rising, that are the nearest of one of the candidate's salient patches."""
    columns = np.flatnonzero(salient)
    return np.unique(owners(query.tokens, candidate.tokens, columns)) if len(columns) else columns


def _saliency(local: LocalFeatures) -> Tensor:
    if local.saliency is None:
        raise VprError("matches between salient patches need saliency, these local features have none")
    return local.saliency
