"""Matches between salient patches from full products: on accelerators, and for many thresholds at once."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from vprkit.errors import VprError
from vprkit.features import Features, LocalFeatures
from vprkit.rerank.guided import Mask, per_candidate_shares, shares, without_nan
from vprkit.rerank.mutual import DEVICE_BYTES, best_cells
from vprkit.rerank.mutual_matches import local_of
from vprkit.rerank.reranker import Shortlist


class Guided(Protocol):
    """Thresholds and mask, as of `vprkit.rerank.guided_matches.GuidedMatches`."""

    @property
    def saliency(self) -> float: ...

    @property
    def similarity(self) -> float: ...

    @property
    def mask(self) -> Mask: ...


class Full:
    """Counts from the full products of a few candidates at a time."""

    def __init__(self, settings: Guided, query: LocalFeatures, shortlist: Shortlist) -> None:
        count = int(query.counts[0])
        self.settings = settings
        self.tokens, self.saliency = query.tokens[0, :count], saliency_of(query)[0, :count]
        self.shared = self._shared(shortlist) if settings.mask == "official" else None

    def score(self, candidates: Features) -> Tensor:
        return torch.cat([self._counts(part) for part in self.parts(local_of(candidates))])

    def parts(self, local: LocalFeatures) -> Iterator[LocalFeatures]:
        """Candidates of one length each, as many at once as their products have room for."""
        whole = bool((local.counts == local.tokens.shape[1]).all())
        most = max(1, DEVICE_BYTES // (4 * len(self.tokens) * local.tokens.shape[1])) if whole else 1
        for start in range(0, len(local), most):
            rows, count = slice(start, start + most), int(local.counts[start])
            yield LocalFeatures(
                local.tokens[rows, :count], local.counts[rows], saliency=saliency_of(local)[rows, :count]
            )

    def _counts(self, part: LocalFeatures) -> Tensor:
        share, similar = self.both(part)
        saliency, similarity = (
            float(np.float32(value)) for value in (self.settings.saliency, self.settings.similarity)
        )
        return ((share > saliency) & (similar > similarity)).sum(1)

    def both(self, part: LocalFeatures) -> tuple[Tensor, Tensor]:
        """(N, Lq) up to which saliency, and up to which similarity, each of the query's patches counts."""
        cells = best_cells(self.tokens, part.tokens)
        if self.shared is None:
            share = shares(cells, self.saliency, saliency_of(part), self.settings.mask)
        else:
            share = torch.where(cells.mutual, torch.minimum(self.shared, without_nan(self.saliency)), -np.inf)
        return share, cells.similarity

    def _shared(self, shortlist: Shortlist) -> Tensor:
        """(Lq,) what the official mask compares in every candidate: made of the first one's neighbours."""
        blocks = shortlist.blocks()
        local = local_of(next(blocks))
        first = best_cells(self.tokens, local.tokens[:1])
        anywhere = without_nan(saliency_of(local)).amax(0)
        lengths = set(local.counts.tolist())
        for block in blocks:
            local = local_of(block)
            lengths |= set(local.counts.tolist())
            if len(lengths) == 1:
                anywhere = torch.maximum(anywhere, without_nan(saliency_of(local)).amax(0))
        if len(lengths) > 1:
            raise VprError("the official mask compares maps of one size; resize all images alike")
        return per_candidate_shares(first, anywhere[None])[0]


def saliency_of(local: LocalFeatures) -> Tensor:
    """(N, L) saliency.

    Raises:
        VprError: there is none.
    """
    if local.saliency is None:
        raise VprError("matches between salient patches need saliency, these local features have none")
    return local.saliency
