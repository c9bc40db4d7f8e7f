"""Mutual nearest neighbours between two sets of local descriptors: matches, and how many there are.

With S = C Q^T of a candidate's cells (rows) and the query's (columns), c(j) is the row of column j's maximum and r(i)
the column of row i's maximum, the lowest index among equals; query cell j is matched iff r(c(j)) = j (Lu et al.,
SelaVPR, ICLR 2024).

Counting goes through S in tiles of rows that stay in the processor's cache: no l x l matrix is ever held on a CPU, and
no column index is ever searched for. A row i of a tile owns its column j = r(i) iff its value is the column's maximum
within the tile, no row above it in the tile has the same, and no earlier tile had as much; it loses j to any later,
greater tile.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vprkit import device as devices
from vprkit.errors import VprError

TILE = 256
"""Rows of S at once on a CPU: with 3,721 columns 3.8 MB."""

DEVICE_BYTES = 2**30
"""Memory for S at once on an accelerator."""


class BestCells(NamedTuple):
    """Nearest neighbours both ways between a query's Lq cells and N candidates' Lc cells.

    Attributes:
        candidate: (N, Lq) the candidate cell most similar to each query cell, c(j).
        query: (N, Lc) the query cell most similar to each candidate cell, r(i).
        mutual: (N, Lq) bool, query cells that are matched.
        similarity: (N, Lq) of each query cell and its most similar candidate cell.
    """

    candidate: Tensor
    query: Tensor
    mutual: Tensor
    similarity: Tensor


def best_cells(query: Tensor, candidates: Tensor) -> BestCells:
    """Nearest neighbours both ways, holding S of all candidates: for a few at a time.

    Args:
        query: (Lq, C) descriptors.
        candidates: (N, Lc, C) descriptors.
    """
    _check(query, candidates)
    similar = candidates @ query.T
    rows, columns = lowest_argmax(similar, 2), lowest_argmax(similar, 1)
    back = torch.gather(rows, 1, columns)
    mutual = back == torch.arange(len(query), device=query.device)
    return BestCells(columns, rows, mutual, torch.gather(similar, 1, columns[:, None]).squeeze(1))


def matched_similarity(query: Tensor, other: Tensor) -> Tensor:
    """Inner products of mutual nearest neighbours, with gradient to both; which these are has none.

    Args:
        query: (Lq, C) descriptors.
        other: (Lc, C) descriptors.

    Returns:
        (M,) of the M matches, in the order of the query's cells.
    """
    with torch.no_grad():
        cells = best_cells(query.detach(), other.detach()[None])
    matched = cells.mutual[0].nonzero()[:, 0]
    return (query[matched] * other[cells.candidate[0, matched]]).sum(1)


def lowest_argmax(values: Tensor, dim: int) -> Tensor:
    """Index of the maximum along a dimension, the lowest of equal ones (`argmax` promises that on every device).

    NaN counts as the greatest: the index always lies inside.
    """
    if values.device.type == "cpu":  # NumPy is several times faster there
        return torch.from_numpy(np.argmax(values.detach().numpy(), axis=dim))
    return values.argmax(dim)


def count_matches(query: Tensor, candidates: Tensor, tile: int = TILE) -> Tensor:
    """How many of the query's cells are matched in each candidate.

    Args:
        query: (Lq, C) descriptors.
        candidates: (N, Lc, C) descriptors on the same device, of the same type.
        tile: rows of S at once on a CPU.

    Returns:
        (N,) int64.

    Raises:
        VprError: the shapes do not fit, or a tile has no row.
    """
    _check(query, candidates)
    if tile < 1:
        raise VprError(f"a tile needs at least one row, got {tile}")
    if query.device.type == "cpu":
        devices.enable_fast_fp32()
        columns = query.T.contiguous()
        buffer = torch.empty(min(tile, candidates.shape[1]), len(query), dtype=query.dtype)
        return torch.tensor([_count(columns, candidate, buffer) for candidate in candidates], dtype=torch.int64)
    block = max(1, DEVICE_BYTES // (query.element_size() * len(query) * candidates.shape[1]))
    return torch.cat([best_cells(query, part).mutual.sum(1) for part in torch.split(candidates, block)])


def _count(columns: Tensor, candidate: Tensor, buffer: Tensor) -> int:
    """Matches of one candidate; `columns` is (C, Lq), `buffer` (tile, Lq)."""
    cells = columns.shape[1]
    greatest = np.full(cells, -np.inf, np.float32)
    owned = np.zeros(cells, bool)
    for start in range(0, len(candidate), len(buffer)):
        rows = candidate[start : start + len(buffer)]
        product = buffer[: len(rows)]
        torch.mm(rows, columns, out=product)
        part = _as_numpy(product)
        top = part.max(0)
        higher = top > greatest
        fresh = _owners(part, top)
        owned = np.where(higher, fresh, owned)
        np.maximum(greatest, top, out=greatest)
    return int(owned.sum())


def _owners(part: np.ndarray, top: np.ndarray) -> np.ndarray:
    """(Lq,) bool: columns whose first maximum within the tile lies in a row whose own first maximum they are.

    Args:
        part: (T, Lq) tile of S.
        top: (Lq,) its column maxima.
    """
    best = part.argmax(1)
    rows = np.flatnonzero(part[np.arange(len(part)), best] == top[best])
    columns = best[rows]
    first = (part[:, columns] == top[columns]).argmax(0)
    owners = np.zeros(len(top), bool)
    owners[columns[first == rows]] = True
    return owners


def _as_numpy(product: Tensor) -> np.ndarray:
    """The tile for NumPy, whose row maxima are several times faster than torch's and take the lowest index."""
    return (product if product.dtype == torch.float32 else product.float()).numpy()


def _check(query: Tensor, candidates: Tensor) -> None:
    if query.dim() != 2 or candidates.dim() != 3 or query.shape[1] != candidates.shape[2]:
        raise VprError(
            f"matching needs query cells (Lq, C) and candidate cells (N, Lc, C), got {tuple(query.shape)} and "
            f"{tuple(candidates.shape)}"
        )
    if not len(query) or not candidates.shape[1]:
        raise VprError("matching needs at least one cell in the query and in the candidates")
