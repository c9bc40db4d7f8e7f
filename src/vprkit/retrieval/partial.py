"""Searching where only some rows may answer: without those that were removed, or only those that pass a filter."""

from functools import cached_property

import numpy as np

from vprkit.registry import Metric
from vprkit.retrieval.index import ExactIndex, Index, Neighbours, Rows
from vprkit.retrieval.weighted import WeightedRows, exact_index

FEW = 8
"""Where fewer than one row in so many may answer, these are searched alone."""

WIDEST = 4096
"""Candidates of a query that are asked of the whole index before the rows that may answer are searched alone."""


class SomeRows:
    """(n, D) some rows of others, fetched when they are asked for.

    Args:
        rows: (N, D) all of them.
        numbers: (n,) of those that count, in their order.
    """

    ndim = 2

    def __init__(self, rows: Rows, numbers: np.ndarray) -> None:
        self.rows, self.numbers = rows, numbers
        self.dtype = rows.dtype

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.numbers), self.rows.shape[1]

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        """(m, D) of some of these, as an array."""
        fetched: np.ndarray = self.rows[self.numbers[rows]]
        return fetched


def some_of(rows: Rows, numbers: np.ndarray) -> Rows:
    """Some rows, in memory only while they are looked at; neighbours on disk are not copied at all.

    Args:
        rows: (N, D) all of them.
        numbers: (n,) of those that count, in their order.
    """
    start = int(numbers[0]) if len(numbers) else 0
    neighbours = np.array_equal(numbers, np.arange(start, start + len(numbers)))
    if neighbours and len(numbers) == len(rows):
        return rows
    if isinstance(rows, WeightedRows):
        return WeightedRows(some_of(rows.image, numbers), some_of(rows.text, numbers), rows.shares[numbers])
    return rows[start : start + len(numbers)] if neighbours else SomeRows(rows, numbers)


class PartialIndex:
    """An index of which only some rows answer.

    The whole index is asked for more than is wanted, until enough of what it finds may answer; where few rows may, or
    the best ones of a query may not, the rows that may are searched alone, exactly. Memory is bounded by a block.

    Args:
        whole: over all rows.
        vectors: (N, D) what it is over.
        metric: of the vectors.
        allowed: (N,) bool: rows that may answer.
    """

    def __init__(self, whole: Index, vectors: Rows, metric: Metric, allowed: np.ndarray) -> None:
        self.whole, self.vectors, self.metric, self.allowed = whole, vectors, metric, allowed
        self.rows = np.flatnonzero(allowed)

    def __len__(self) -> int:
        return len(self.rows)

    def search(self, queries: np.ndarray, k: int) -> Neighbours:
        """The k best rows that may answer, by their numbers among all; k is clipped to how many may."""
        k = min(k, len(self))
        every, hidden = len(self.whole), len(self.whole) - len(self)
        if not hidden:
            return self.whole.search(queries, k)
        if len(self) * FEW < every:
            return self._alone(queries, k)
        ask = min(every, k + min(hidden, 2 * k * hidden // len(self) + 16))
        while True:
            found = self.whole.search(queries, ask)
            allowed = self.allowed[found.numbers]
            enough = allowed.sum(1) >= k
            if enough.all() or 4 * ask > max(WIDEST, 4 * k):
                break
            ask = min(every, 4 * ask)
        keep = np.argsort(~allowed, axis=1, kind="stable")[:, :k]
        best = Neighbours(np.take_along_axis(found.numbers, keep, 1), np.take_along_axis(found.scores, keep, 1))
        if not enough.all():
            settled = self._alone(queries[~enough], k)
            best.numbers[~enough], best.scores[~enough] = settled.numbers, settled.scores
        return best

    def _alone(self, queries: np.ndarray, k: int) -> Neighbours:
        found = self._among.search(queries, k)
        return Neighbours(self.rows[found.numbers], found.scores)

    @cached_property
    def _among(self) -> ExactIndex:
        return exact_index(some_of(self.vectors, self.rows), self.metric)
