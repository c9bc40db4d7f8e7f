"""Recall@K and mean average precision from rankings, vectorised."""

from collections.abc import Iterator

import numpy as np

from vprkit.data.positives import Positives

MASK_BYTES = 32 * 2**20
"""Queries are handled in blocks whose boolean (queries, database) mask stays under this."""


NO_HIT = np.iinfo(np.int64).max
"""First hit of a query whose ranking holds no positive: beyond every K."""


def hit_blocks(rankings: np.ndarray, positives: Positives, database: int) -> Iterator[tuple[slice, np.ndarray]]:
    """(rows, (B, K) bool) blocks: True where the ranked database image is a positive of its query.

    Positives are written into a boolean mask and read back at the ranked numbers; clearing only what was written keeps
    the cost proportional to the positives, not to the database.
    """
    queries = len(rankings)
    block = max(1, min(queries, MASK_BYTES // max(1, database)))
    mask = np.zeros(block * database, bool)
    for start in range(0, queries, block):
        rows = slice(start, min(queries, start + block))
        first, last = positives.offsets[rows.start], positives.offsets[rows.stop]
        local = np.repeat(np.arange(rows.stop - start), positives.counts[rows])
        written = local * database + positives.numbers[first:last]
        mask[written] = True
        asked = rankings[rows] + (np.arange(rows.stop - start) * database)[:, None]
        yield rows, mask[asked]
        mask[written] = False


def right_answers(rankings: np.ndarray, positives: Positives, database: int) -> np.ndarray:
    """(Q, K) bool: which ranked images are positives of their query. Arguments as of `first_hits`."""
    right = np.zeros(rankings.shape, bool)
    for rows, hits in hit_blocks(rankings, positives, database):
        right[rows] = hits
    return right


def first_hits(rankings: np.ndarray, positives: Positives, database: int) -> np.ndarray:
    """(Q,) rank (0-based) of the first positive per query; `NO_HIT` where none is among the K ranked.

    Args:
        rankings: (Q, K) database numbers, best first.
        positives: what is right per query.
        database: number of database images.
    """
    ranks = np.full(len(rankings), NO_HIT, np.int64)
    for rows, hits in hit_blocks(rankings, positives, database):
        found = hits.any(1)
        ranks[rows][found] = hits[found].argmax(1)
    return ranks


def recall_at(ranks: np.ndarray, k: int, counted: np.ndarray | None = None) -> float:
    """Per cent of queries whose first positive is among the first k; NaN where no query counts.

    Args:
        ranks: (Q,) first hits as of `first_hits`.
        counted: (Q,) bool, which queries are in the denominator (default: all).
    """
    chosen = ranks if counted is None else ranks[counted]
    return float(100.0 * np.mean(chosen < k)) if chosen.size else float("nan")


def average_precision(rankings: np.ndarray, positives: Positives, database: int, k: int) -> np.ndarray:
    """(Q,) AP@k: sum over hits at rank i <= k of hits-so-far / i, divided by min(positives, k); 0 without positives."""
    return precision_at(right_answers(rankings[:, :k], positives, database), positives.counts, k)


def precision_at(right: np.ndarray, positives: np.ndarray, k: int) -> np.ndarray:
    """(Q,) AP@k as of `average_precision`, from (Q, K) bool hits and (Q,) numbers of positives."""
    k = min(k, right.shape[1])
    hits = right[:, :k]
    precision = np.cumsum(hits, 1) / np.arange(1, k + 1)
    return np.asarray((precision * hits).sum(1) / np.clip(positives, 1, max(k, 1)))
