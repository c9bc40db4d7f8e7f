"""Exact nearest-neighbour search over index vectors, in memory or memory-mapped.

A fast float32 engine proposes a few more candidates than asked for; their scores are then computed again in float64,
one row at a time in a fixed order, so that equal vectors get equal scores, ties go to the lower number, and the answer
does not depend on the engine, the block size or which queries are asked together.
"""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import faiss
import numpy as np
import torch

from vprkit.errors import ConfigError, DataError
from vprkit.registry import Metric

SPARE = 8
"""Candidates beyond k that the engine proposes, for the exact scores to choose from."""

ROWS, QUERIES = 8192, 512
"""Rows and queries per block: one block of scores is 16 MB."""

FEW = 1
"""Up to this many queries NumPy's matrix-vector product is fastest: it reads the vectors at the speed of the memory."""

WORTH_MEASURING = 5 * 10**9
"""Multiplications from which a search is long enough to measure the engines first."""


@dataclass(frozen=True)
class Neighbours:
    """Search results, best first.

    Attributes:
        numbers: (Q, k) int64 database numbers.
        scores: (Q, k) float64, higher is better: inner product, or minus the squared distance.
    """

    numbers: np.ndarray
    scores: np.ndarray


class Index(Protocol):
    """What answers nearest-neighbour questions."""

    def __len__(self) -> int: ...

    def search(self, queries: np.ndarray, k: int) -> Neighbours:
        """The k best rows for each of (Q, D) queries; k is clipped to the number of rows."""
        ...


GROUP = 32
"""Neighbouring scores whose maximum is taken before the best are picked."""

MERGE_AFTER = 64
"""Blocks of rows whose candidates are kept before they are merged."""

Engine = Callable[[np.ndarray, np.ndarray, np.ndarray | None, int], tuple[np.ndarray, np.ndarray]]
"""(queries (Q, D), rows (N, D), shift (N,) or None, k) -> the k best `q.x - shift` per query, their rows; unordered."""


class ExactIndex:
    """Exact search.

    Args:
        vectors: (N, D) float32, an array or a memory map; it is read block by block.
        metric: `ip` or `l2`.
        engine: `auto` measures once per kind of question; or one of `ENGINES`.
    """

    def __init__(self, vectors: np.ndarray, metric: Metric = "ip", engine: str = "auto") -> None:
        if vectors.ndim != 2 or vectors.dtype != np.float32:
            raise DataError(f"index vectors must be float32 of shape (N, D), got {vectors.dtype} {vectors.shape}")
        if metric not in ("ip", "l2"):
            raise ConfigError(f"metric '{metric}' is unknown; use 'ip' or 'l2'")
        if engine not in ("auto", *ENGINES):
            raise ConfigError(f"engine '{engine}' is unknown; use auto, {', '.join(ENGINES)}")
        self.vectors = vectors
        self.metric = metric
        self.engine = engine

    def __len__(self) -> int:
        return len(self.vectors)

    def search(self, queries: np.ndarray, k: int) -> Neighbours:
        queries = checked_queries(queries, self.vectors.shape[1])
        k = min(k, len(self))
        if k < 1 or not len(queries):
            return Neighbours(np.zeros((len(queries), max(k, 0)), np.int64), np.zeros((len(queries), max(k, 0))))
        parts = [self._search(queries[start : start + QUERIES], k) for start in range(0, len(queries), QUERIES)]
        return Neighbours(
            np.concatenate([part.numbers for part in parts]), np.concatenate([part.scores for part in parts])
        )

    def _search(self, queries: np.ndarray, k: int) -> Neighbours:
        wanted = min(k + SPARE, len(self))
        proposed, numbers = self._propose(queries, wanted)
        found = best_of(exact_scores(queries, self.vectors, numbers, self.metric), numbers, k)
        if wanted == len(self):
            return found
        doubtful = proposed.min(1) + self._slack(queries) >= self._as_proposed(found.scores[:, -1], queries)
        for query in np.flatnonzero(doubtful):
            self._settle(found, int(query), queries[query : query + 1])
        return found

    def _propose(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k best rows by float32 scores: inner products, or `q.x - |x|^2 / 2`, which ranks like -|q - x|^2."""
        engine = ENGINES[self._choose_engine(len(queries))]
        parts: list[tuple[np.ndarray, np.ndarray]] = []
        for start in range(0, len(self), ROWS):
            block = self.vectors[start : start + ROWS]
            shift = None if self.metric == "ip" else self._half_squares[start : start + ROWS]
            scores, rows = engine(queries, block, shift, min(k, len(block)))
            parts.append((scores, rows + start))
            if len(parts) == MERGE_AFTER:
                parts = [_merge(parts, k)]
        return _merge(parts, k)

    def _choose_engine(self, queries: int) -> str:
        if self.engine != "auto":
            return self.engine
        if queries <= FEW:
            return "numpy"
        if queries * self.vectors.size < WORTH_MEASURING:
            return "torch"
        return fastest_engine(self.vectors.shape[1], min(QUERIES, 1 << (queries - 1).bit_length()))

    def _slack(self, queries: np.ndarray) -> np.ndarray:
        """(Q,) bound on the error of a proposed score."""
        norms = np.linalg.norm(queries.astype(np.float64), axis=1) + (self._largest_norm if self.metric == "l2" else 0)
        return np.asarray(norms * self._largest_norm * np.sqrt(self.vectors.shape[1]) * 2.0**-21 + 1e-30)

    def _as_proposed(self, scores: np.ndarray, queries: np.ndarray) -> np.ndarray:
        """Final scores on the scale of the proposed ones."""
        if self.metric == "ip":
            return scores
        return np.asarray((scores + (queries.astype(np.float64) ** 2).sum(1)) / 2)

    def _settle(self, found: Neighbours, query: int, vector: np.ndarray) -> None:
        """Rank one query beyond doubt: every row whose float32 score could reach the k-th place is scored exactly."""
        k = found.numbers.shape[1]
        threshold = self._as_proposed(found.scores[query, -1:], vector)[0] - self._slack(vector)[0]
        numbers = []
        for start in range(0, len(self), ROWS):
            scores = self.vectors[start : start + ROWS] @ vector[0]
            if self.metric == "l2":
                scores = scores - self._half_squares[start : start + ROWS]
            numbers.append(start + np.flatnonzero(scores >= threshold))
        candidates = np.concatenate(numbers)[None]
        best = best_of(exact_scores(vector, self.vectors, candidates, self.metric), candidates, k)
        found.numbers[query], found.scores[query] = best.numbers[0], best.scores[0]

    @functools.cached_property
    def _half_squares(self) -> np.ndarray:
        """(N,) half the squared norm of every row, float32."""
        parts = [np.einsum("nd,nd->n", block, block, dtype=np.float64) / 2 for block in _blocks(self.vectors)]
        return np.concatenate(parts).astype(np.float32)

    @functools.cached_property
    def _largest_norm(self) -> float:
        return float(np.sqrt(2 * float(self._half_squares.max())))


def checked_queries(queries: np.ndarray, dimension: int) -> np.ndarray:
    """(Q, D) contiguous float32 queries that fit an index of this dimension.

    Raises:
        DataError: wrong shape, or values that are not finite.
    """
    if queries.ndim != 2 or queries.shape[1] != dimension:
        raise DataError(f"queries must have shape (Q, {dimension}), got {queries.shape}; another method made them?")
    queries = np.ascontiguousarray(queries, np.float32)
    if not np.isfinite(queries).all():
        raise DataError("a query vector holds values that are not finite")
    return queries


def exact_scores(queries: np.ndarray, vectors: np.ndarray, numbers: np.ndarray, metric: Metric) -> np.ndarray:
    """(Q, m) float64 scores of the given rows, each summed in the same order whatever its place.

    Args:
        queries: (Q, D).
        vectors: (N, D).
        numbers: (Q, m) rows of `vectors`.
    """
    scores = np.empty(numbers.shape)
    step = max(1, (1 << 18) // max(1, vectors.shape[1]))  # 2 MB of float64 rows stay in the cache
    for query in range(len(queries)):
        wide = queries[query].astype(np.float64)
        for start in range(0, numbers.shape[1], step):
            rows = vectors[numbers[query, start : start + step]].astype(np.float64)
            if metric == "ip":
                np.multiply(rows, wide, out=rows)
                scores[query, start : start + step] = rows.sum(1)
            else:
                np.subtract(rows, wide, out=rows)
                np.multiply(rows, rows, out=rows)
                scores[query, start : start + step] = -rows.sum(1)
    return scores


def best_of(scores: np.ndarray, numbers: np.ndarray, k: int) -> Neighbours:
    """The k best per row, ties to the lower number."""
    order = np.lexsort((numbers, -scores), axis=1)[:, :k]
    return Neighbours(np.take_along_axis(numbers, order, 1), np.take_along_axis(scores, order, 1))


def _blocks(vectors: np.ndarray) -> list[np.ndarray]:
    return [vectors[start : start + ROWS] for start in range(0, len(vectors), ROWS)]


def _merge(parts: list[tuple[np.ndarray, np.ndarray]], k: int) -> tuple[np.ndarray, np.ndarray]:
    scores, rows = (np.concatenate([part[i] for part in parts], 1) for i in range(2))
    if scores.shape[1] <= k:
        return scores, rows
    keep = np.argpartition(scores, -k, axis=1)[:, -k:]
    return np.take_along_axis(scores, keep, 1), np.take_along_axis(rows, keep, 1)


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
    scores = torch.from_numpy(queries) @ _tensor(rows).T
    if shift is not None:
        scores -= torch.from_numpy(shift)
    values, best = _top(scores, k)
    return values.numpy(), best.numpy()


def _with_faiss(
    queries: np.ndarray, rows: np.ndarray, shift: np.ndarray | None, k: int
) -> tuple[np.ndarray, np.ndarray]:
    if shift is not None:  # faiss has no shifted inner product; one more column carries it
        queries = np.concatenate([queries, np.full((len(queries), 1), -1, np.float32)], 1)
        rows = np.concatenate([rows, shift[:, None]], 1)
    scores, best = faiss.knn(queries, np.ascontiguousarray(rows), k, metric=faiss.METRIC_INNER_PRODUCT)
    return scores, best


def _top(scores: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
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


def _tensor(rows: np.ndarray) -> torch.Tensor:
    """Rows as a tensor, without a copy where torch may be promised that nobody else minds writing."""
    return torch.from_numpy(rows if rows.flags.writeable else rows.copy())


ENGINES: dict[str, Engine] = {"numpy": _with_numpy, "torch": _with_torch, "faiss": _with_faiss}


@functools.cache
def fastest_engine(dimension: int, queries: int) -> str:
    """The engine that answers this kind of question fastest here, measured once per process (well under a second)."""
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((2 * ROWS, dimension), np.float32)
    asked = generator.standard_normal((queries, dimension), np.float32)
    best, least = "numpy", float("inf")
    for _ in range(3):
        for name, engine in ENGINES.items():
            start = time.perf_counter()
            for block in (rows[:ROWS], rows[ROWS:]):
                engine(asked, block, None, 28)
            seconds = time.perf_counter() - start
            if seconds < least:
                best, least = name, seconds
    return best
