"""Float32 engines that propose nearest neighbours, and the choice between them by measurement."""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass

import faiss
import numpy as np
import torch

from vprkit import device

GROUP = 32
"""Neighbouring scores whose maximum is taken before the best are picked."""

FEW = 1
"""Up to this many queries NumPy's matrix-vector product is fastest: it reads the vectors at the speed of the memory."""

WORTH_MEASURING = 5 * 10**9
"""Multiplications from which a search is long enough to measure the engines first."""

Best = Callable[[np.ndarray, np.ndarray, np.ndarray | None, int], tuple[np.ndarray, np.ndarray]]
"""(queries (Q, D), rows (N, D), shift (N,) or None, k) -> the k best `q.x - shift` per query, their rows; unordered."""


@dataclass(frozen=True)
class Engine:
    """A way to find the best rows of a block, and how many rows suit it."""

    best: Best
    most_rows: int

    def rows(self, dimension: int) -> int:
        """Rows per block: what suits the engine, at most 128 MB of vectors."""
        return max(256, min(self.most_rows, 2**25 // dimension))


def _with_numpy(
    queries: np.ndarray, rows: np.ndarray, shift: np.ndarray | None, k: int
) -> tuple[np.ndarray, np.ndarray]:
    scores = queries @ rows.T if len(queries) > 1 else (rows @ queries[0])[None]
    if shift is not None:
        scores -= shift
    if scores.shape[1] == k:
        return scores, np.broadcast_to(np.arange(k), scores.shape)
    best = np.argpartition(scores, -k, axis=1)[:, -k:]
    return np.take_along_axis(scores, best, 1), best


def _with_torch(
    queries: np.ndarray, rows: np.ndarray, shift: np.ndarray | None, k: int
) -> tuple[np.ndarray, np.ndarray]:
    device.enable_fast_fp32()
    scores = torch.from_numpy(queries) @ as_tensor(rows).T
    if shift is not None:
        scores -= torch.from_numpy(shift)
    values, best = top(scores, k)
    return values.numpy(), best.numpy()


def _with_faiss(
    queries: np.ndarray, rows: np.ndarray, shift: np.ndarray | None, k: int
) -> tuple[np.ndarray, np.ndarray]:
    if shift is not None:  # faiss has no shifted inner product; one more column carries it
        queries = np.concatenate([queries, np.full((len(queries), 1), -1, np.float32)], 1)
        rows = np.concatenate([rows, shift[:, None]], 1)
    scores, best = faiss.knn(queries, np.ascontiguousarray(rows), k, metric=faiss.METRIC_INNER_PRODUCT)
    return scores, best


def top(scores: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The k best per row, unordered. The k best lie in the k groups with the best maxima, and maxima are cheap."""
    groups = scores.shape[1] // GROUP
    if groups <= k or scores.shape[1] % GROUP:
        best = torch.topk(scores, k, dim=1, sorted=False)
        return best.values, best.indices
    grouped = scores.view(len(scores), groups, GROUP)
    chosen = torch.topk(grouped.amax(2), k, dim=1, sorted=False).indices
    inside = grouped.gather(1, chosen[:, :, None].expand(-1, -1, GROUP)).flatten(1)
    best = torch.topk(inside, k, dim=1, sorted=False)
    return best.values, chosen.gather(1, best.indices // GROUP) * GROUP + best.indices % GROUP


def as_tensor(rows: np.ndarray) -> torch.Tensor:
    """Rows as a tensor, without a copy where torch may be promised that nobody else minds writing."""
    return torch.from_numpy(rows if rows.flags.writeable else rows.copy())


ENGINES = {
    "numpy": Engine(_with_numpy, 8192),
    "torch": Engine(_with_torch, 8192),
    "faiss": Engine(_with_faiss, 65_536),  # it makes blocks of its own
}


def choose(queries: int, size: int, dimension: int) -> str:
    """The engine for this many queries against vectors of `size` numbers in all."""
    if queries <= FEW:
        return "numpy"
    if queries * size < WORTH_MEASURING:
        return "torch"
    return fastest(dimension, min(1024, 1 << (queries - 1).bit_length()))


@functools.cache
def fastest(dimension: int, queries: int) -> str:
    """The engine that answers this kind of question fastest here, measured once per process (about a second)."""
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((min(32_768, 2**25 // dimension), dimension), np.float32)  # at most 128 MB
    asked = generator.standard_normal((queries, dimension), np.float32)
    best, least = "torch", float("inf")
    for _ in range(3):
        for name, engine in ENGINES.items():
            step = engine.rows(dimension)
            start = time.perf_counter()
            for first in range(0, len(rows), step):
                engine.best(asked, rows[first : first + step], None, 28)
            seconds = time.perf_counter() - start
            if seconds < least:
                best, least = name, seconds
    return best
