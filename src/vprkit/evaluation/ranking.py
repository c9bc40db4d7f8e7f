"""Rankings of a benchmark's queries: the whole database, or a query's own city; nearly right answers taken out."""

import numpy as np

from vprkit.data.benchmark import Benchmark
from vprkit.registry import Metric
from vprkit.retrieval.index import ExactIndex, Rows
from vprkit.retrieval.partial import some_of
from vprkit.retrieval.weighted import exact_index
from vprkit.timing import Timings

BLOCK = 256


def ranked(
    benchmark: Benchmark,
    database: Rows,
    queries: np.ndarray,
    metric: Metric,
    k: int,
    timings: Timings,
    *,
    rows: np.ndarray | None = None,
    asked: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """(Q, K) database numbers and scores, best first; -1 and -inf where nothing was ranked.

    Args:
        benchmark: says which city each image belongs to, and what is to be ignored.
        database, queries: (N, D) and (M, D) float32 vectors.
        metric: of the vectors.
        k: answers per query; clipped to what there is.
        timings: gets the search's.
        rows, asked: numbers of the vectors among the benchmark's images (default: all, in order).
    """
    rows = np.arange(len(benchmark.database)) if rows is None else rows
    asked = np.arange(len(benchmark.queries)) if asked is None else asked
    ignored = benchmark.ignored
    depth = min(k + (0 if ignored is None else int(ignored.counts.max(initial=0))), len(database))
    rankings = np.full((len(benchmark.queries), depth), -1, np.int64)
    scores = np.full(rankings.shape, -np.inf)
    for answering, asking in _parts(benchmark, rows, asked):
        if not (len(answering) and len(asking)):
            continue
        index = exact_index(some_of(database, answering), metric)
        vectors = queries if len(asking) == len(queries) else queries[asking]
        numbers, found = _search(index, vectors, min(depth, len(index)), timings)
        into = asked[asking]
        rankings[into, : numbers.shape[1]], scores[into, : numbers.shape[1]] = rows[answering[numbers]], found
    rankings, taken = without_ignored(benchmark, rankings, scores)
    assert taken is not None
    return rankings[:, :k], taken[:, :k]


def _parts(benchmark: Benchmark, rows: np.ndarray, asked: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(database vectors, query vectors) that are searched together."""
    areas = benchmark.areas
    if areas is None or not benchmark.search_inside:
        return [(np.arange(len(rows)), np.arange(len(asked)))]
    return [
        (np.flatnonzero(areas.database[rows] == area), np.flatnonzero(areas.queries[asked] == area))
        for area in range(len(areas.names))
    ]


def without_ignored(
    benchmark: Benchmark, rankings: np.ndarray, scores: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Rankings without answers that are neither right nor wrong; what follows moves up, -1 fills the end."""
    if benchmark.ignored is None:
        return rankings, scores
    result = np.full_like(rankings, -1)
    moved = None if scores is None else np.full_like(scores, -np.inf)
    for query, row in enumerate(rankings):
        kept = np.flatnonzero((row >= 0) & ~np.isin(row, benchmark.ignored[query]))
        result[query, : len(kept)] = row[kept]
        if moved is not None and scores is not None:
            moved[query, : len(kept)] = scores[query, kept]
    return result, moved


def _search(index: ExactIndex, queries: np.ndarray, k: int, timings: Timings) -> tuple[np.ndarray, np.ndarray]:
    parts = []
    for start in range(0, len(queries), BLOCK):
        block = queries[start : start + BLOCK]
        with timings.measure("search", len(block)):
            parts.append(index.search(block, k))
    return np.concatenate([part.numbers for part in parts]), np.concatenate([part.scores for part in parts])
