"""Mutual nearest neighbours between salient patches (RerankVPR): which count, and how many, without the full product.

With S the cosines of query patches i and candidate patches j, f(i) the row maximum's j, b(j) the column maximum's i
(the lowest index among equals) and v(i) = S(i, f(i)), query patch i is matched iff b(f(i)) = i, v(i) exceeds the
similarity threshold and i is salient. What the candidate's saliency must then say differs:

strict: f(i) is salient; what the method's description means.
per_candidate: i is b(j) of some salient j.
official: i is b(j) in the *first* candidate for some j that is salient in *any*; a slip of batching in the published
    program, kept to reproduce its numbers.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from vprkit.rerank.mutual import BestCells

Mask = Literal["strict", "per_candidate", "official"]


def strict_shares(cells: BestCells, saliency: Tensor) -> Tensor:
    return torch.gather(saliency, 1, cells.candidate)


def per_candidate_shares(cells: BestCells, saliency: Tensor) -> Tensor:
    none = torch.full(cells.candidate.shape, -np.inf, device=saliency.device)
    return none.scatter_reduce(1, cells.query, saliency, "amax")


def official_shares(cells: BestCells, saliency: Tensor) -> Tensor:
    first = BestCells(*(part[:1] for part in cells))
    return per_candidate_shares(first, saliency.amax(0, keepdim=True)).expand_as(cells.similarity)


SHARES: Mapping[Mask, Callable[[BestCells, Tensor], Tensor]] = {
    "strict": strict_shares,
    "per_candidate": per_candidate_shares,
    "official": official_shares,
}
"""(N, Lq) what a saliency threshold is compared with on the candidates' side, from their (N, Lc) saliency."""


def shares(cells: BestCells, query: Tensor, candidates: Tensor, mask: Mask) -> Tensor:
    """(N, Lq) the saliency up to which each query patch counts in each candidate; -inf where it never does.

    Args:
        cells: nearest neighbours both ways; of all candidates at once for the official mask.
        query: (Lq,) saliency.
        candidates: (N, Lc) saliency.
        mask: what the candidates' saliency must say.
    """
    theirs = SHARES[mask](cells, without_nan(candidates))
    both = torch.minimum(theirs, without_nan(query))
    return torch.where(cells.mutual, both, -np.inf)


def without_nan(saliency: Tensor) -> Tensor:
    """NaN, the saliency of an image whose attention is everywhere the same, as -inf: above no threshold."""
    return saliency.nan_to_num(nan=-np.inf, neginf=-np.inf, posinf=np.inf)


def matched(
    query: np.ndarray, candidate: np.ndarray, rows: np.ndarray, columns: np.ndarray | None, threshold: np.float32
) -> np.ndarray:
    """Query patches of `rows` that match a candidate's patch, from the products of these rows alone.

    Exact: row maxima come from the rows' product with all of the candidate, column maxima of the few columns that
    survive from their product with all of the query.

    Args:
        query: (Lq, C) unit descriptors.
        candidate: (Lc, C) unit descriptors.
        rows: (R,) query patches that may match, rising.
        columns: (Lc,) bool, candidate patches that may be matched; None: all.
        threshold: similarity that a match exceeds.

    Returns:
        (M, 2) matched query patches and their candidate patches.
    """
    similar = product(query[rows], candidate)
    best = similar.argmax(1)
    kept = np.flatnonzero(
        (similar[np.arange(len(rows)), best] > threshold) & (True if columns is None else columns[best])
    )
    if kept.size:
        # A row whose column has a greater value, or an equal one above, in another row cannot be its column's maximum.
        kept = kept[similar[:, best[kept]].argmax(0) == kept]
    if kept.size:
        kept = kept[owners(query, candidate, best[kept]) == rows[kept]]
    return np.stack([rows[kept], best[kept]], 1)


def owners(query: np.ndarray, candidate: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(K,) the query patch most similar to each of these candidate patches, the lowest among equals."""
    return np.asarray(product(candidate[columns], query).argmax(1))


def product(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(A, C) and (B, C) -> (A, B), by the library that is fastest on this machine."""
    return torch.mm(torch.from_numpy(one), torch.from_numpy(other).T).numpy()
