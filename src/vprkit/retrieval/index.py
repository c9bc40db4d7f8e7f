"""Exact nearest-neighbour search over index vectors, in memory or memory-mapped.

A fast float32 engine proposes a few more candidates than asked for; their scores are then computed again in float64,
one row at a time in a fixed order, so that equal vectors get equal scores, ties go to the lower number, and the answer
does not depend on the engine, the block size or which queries are asked together.
"""

import functools
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from vprkit.errors import ConfigError, DataError
from vprkit.registry import Metric, check_metric
from vprkit.retrieval.engines import ENGINES, choose

SPARE = 8
"""Candidates beyond k that the engine proposes, for the exact scores to choose from."""

ROWS, QUERIES = 8192, 1024
"""Rows and queries per block: one block of scores is 32 MB."""

SAFE_NORM = 1e15
"""Longer vectors are compared in float64 throughout: their float32 products come near the largest float32."""

MERGE_AFTER = 64
"""Blocks of rows whose candidates are kept before they are merged."""


@dataclass(frozen=True)
class Neighbours:
    """Search results, best first.

    Attributes:
        numbers: (Q, k) int64 database numbers.
        scores: (Q, k) float64, higher is better: inner product, or minus the squared distance.
    """

    numbers: np.ndarray
    scores: np.ndarray


class Rows(Protocol):
    """(N, D) float32 rows that are searched: an array, a memory map, or what makes rows when they are asked for."""

    @property
    def dtype(self) -> Any: ...

    @property
    def ndim(self) -> int: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def size(self) -> int: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Any:
        """An array of some rows."""


class Index(Protocol):
    """What answers nearest-neighbour questions."""

    def __len__(self) -> int: ...

    def search(self, queries: np.ndarray, k: int) -> Neighbours:
        """The k best rows for each of (Q, D) queries; k is clipped to the number of rows."""
        ...


class ExactIndex:
    """Exact search.

    Args:
        vectors: (N, D) float32; read block by block.
        metric: `ip` or `l2`.
        engine: `auto` measures once per kind of question; or one of `ENGINES`.
    """

    def __init__(self, vectors: Rows, metric: Metric = "ip", engine: str = "auto") -> None:
        if vectors.ndim != 2 or vectors.dtype != np.float32:
            raise DataError(f"index vectors must be float32 of shape (N, D), got {vectors.dtype} {vectors.shape}")
        if not vectors.shape[1]:
            raise DataError("index vectors must have at least one dimension")
        check_metric(metric)
        if engine not in ("auto", *ENGINES):
            raise ConfigError(f"engine '{engine}' is unknown; use auto, {', '.join(ENGINES)}")
        self.vectors = vectors
        self.metric = metric
        self.engine = engine

    def __len__(self) -> int:
        return len(self.vectors)

    def search(self, queries: np.ndarray, k: int) -> Neighbours:
        """The k best rows for each of (Q, D) float32 queries, exactly; k is clipped to the number of rows.

        Raises:
            DataError: queries of another dimension, or values on either side that are not finite.
        """
        queries = checked_queries(queries, self.vectors.shape[1])
        k = min(k, len(self))
        if k < 1 or not len(queries):
            return Neighbours(np.zeros((len(queries), max(k, 0)), np.int64), np.zeros((len(queries), max(k, 0))))
        parts = [self._search(queries[start : start + QUERIES], k) for start in range(0, len(queries), QUERIES)]
        return Neighbours(
            np.concatenate([part.numbers for part in parts]), np.concatenate([part.scores for part in parts])
        )

    def _search(self, queries: np.ndarray, k: int) -> Neighbours:
        largest = max(self._largest_norm, float(np.linalg.norm(queries.astype(np.float64), axis=1).max()))
        if largest > SAFE_NORM:
            return self._search_wide(queries, k)
        wanted = min(k + SPARE, len(self))
        proposed, numbers = self._propose(queries, wanted)
        found = best_of(exact_scores(queries, self.vectors, numbers, self.metric), numbers, k)
        if wanted == len(self):
            return found
        doubtful = proposed.min(1) + self._slack(queries) >= self._as_proposed(found.scores[:, -1], queries)
        for query in np.flatnonzero(doubtful):
            self._settle(found, int(query), queries[query : query + 1])
        return found

    def _search_wide(self, queries: np.ndarray, k: int) -> Neighbours:
        """Every row in float64: for vectors so long that float32 products would overflow."""
        parts = []
        for query in queries:
            best = Neighbours(np.zeros((1, 0), np.int64), np.zeros((1, 0)))
            for start in range(0, len(self), ROWS):
                rows = np.arange(start, min(start + ROWS, len(self)))[None]
                scores = exact_scores(query[None], self.vectors, rows, self.metric)
                best = best_of(np.concatenate([best.scores, scores], 1), np.concatenate([best.numbers, rows], 1), k)
            parts.append(best)
        return Neighbours(
            np.concatenate([part.numbers for part in parts]), np.concatenate([part.scores for part in parts])
        )

    def _propose(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k best rows by float32 scores: inner products, or `q.x - |x|^2 / 2`, which ranks like -|q - x|^2."""
        dimension = self.vectors.shape[1]
        engine = ENGINES[choose(len(queries), self.vectors.size, dimension) if self.engine == "auto" else self.engine]
        parts: list[tuple[np.ndarray, np.ndarray]] = []
        step = engine.rows(dimension)
        for start in range(0, len(self), step):
            block = self.vectors[start : start + step]
            shift = None if self.metric == "ip" else self._half_squares[start : start + step]
            scores, rows = engine.best(queries, block, shift, min(k, len(block)))
            parts.append((scores, rows + start))
            if len(parts) == MERGE_AFTER:
                parts = [merge(parts, k)]
        return merge(parts, k)

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
        return (self._squares / 2).astype(np.float32)

    @functools.cached_property
    def _squares(self) -> np.ndarray:
        """(N,) squared norm of every row, float64; the one pass over all vectors that also finds damage."""
        parts = [np.einsum("nd,nd->n", block, block, dtype=np.float64) for block in _blocks(self.vectors)]
        squares = np.concatenate(parts) if parts else np.zeros(0)
        if not np.isfinite(squares).all():
            row = int(np.flatnonzero(~np.isfinite(squares))[0])
            raise DataError(f"database vector {row} holds values that are not finite")
        return squares

    @functools.cached_property
    def _largest_norm(self) -> float:
        return float(np.sqrt(self._squares.max(initial=0.0)))


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


def exact_scores(queries: np.ndarray, vectors: Rows, numbers: np.ndarray, metric: Metric) -> np.ndarray:
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


def _blocks(vectors: Rows) -> list[np.ndarray]:
    return [vectors[start : start + ROWS] for start in range(0, len(vectors), ROWS)]


def merge(parts: list[tuple[np.ndarray, np.ndarray]], k: int) -> tuple[np.ndarray, np.ndarray]:
    scores, rows = (np.concatenate([part[i] for part in parts], 1) for i in range(2))
    if scores.shape[1] <= k:
        return scores, rows
    keep = np.argpartition(scores, -k, axis=1)[:, -k:]
    return np.take_along_axis(scores, keep, 1), np.take_along_axis(rows, keep, 1)
