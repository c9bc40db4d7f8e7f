"""Rankings against ground truth: every number of a `Result`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vprkit.data import geo
from vprkit.data.benchmark import Benchmark
from vprkit.data.records import Records
from vprkit.evaluation.bootstrap import mean_interval
from vprkit.evaluation.curves import precision_recall
from vprkit.evaluation.recall import NO_HIT, average_precision, first_hits, recall_at
from vprkit.evaluation.result import Curve, DatabaseImage, QueryResult, Result, position_of
from vprkit.timing import Timings


def score(
    benchmark: Benchmark,
    rankings: np.ndarray,
    scores: np.ndarray | None,
    ks: tuple[int, ...],
    *,
    method: str,
    identity: dict[str, Any],
    timings: Timings,
    environment: dict[str, Any],
    weights: dict[str, Any] | None = None,
    notices: Sequence[str] = (),
) -> Result:
    size, depth = len(benchmark.database), rankings.shape[1]
    notices = [*benchmark.notices, *notices]
    beyond = [f"R@{k}" for k in ks if k > depth]
    if beyond and depth == size:
        notices.append(f"only {size} database images: {', '.join(beyond)} is R@{size}")
    elif beyond:
        ks = tuple(k for k in ks if k <= depth)
        notices.append(f"only {depth} ranked images per query: {', '.join(beyond)} cannot be told")
    positives = benchmark.positives
    common: dict[str, Any] = {
        "benchmark": benchmark.name, "rule": benchmark.rule, "method": method, "queries": len(benchmark.queries),
        "database": size, "identity": identity, "weights": weights, "environment": environment,
        "database_root": str(benchmark.database.root.absolute()),
        "queries_root": str(benchmark.queries.root.absolute()), "timings": timings.summary(),
        "list_hashes": {"database": benchmark.database.list_hash(), "queries": benchmark.queries.list_hash()},
    }  # fmt: skip
    if positives is None:
        rows = _query_results(benchmark, rankings, scores, None)
        common["images"] = _images(benchmark.database, rows)
        return Result(
            recalls={},
            recalls_answerable={},
            intervals={},
            queries_without_positives=0,
            curve=None,
            mean_average_precision=None,
            rankings=rows,
            notices=tuple(notices),
            **common,
        )
    # A padded rank can never be a hit: it points at a database image that does not exist.
    ranks = first_hits(np.where(rankings < 0, size, rankings), positives, size + 1)
    answerable = positives.counts > 0
    empty = int((~answerable).sum())
    if empty:
        notices.append(f"{empty} of {len(ranks)} queries have no positive and count as misses in R@K")
    rows = _query_results(benchmark, rankings, scores, ranks)
    common["images"] = _images(benchmark.database, rows)
    precision = average_precision(np.where(rankings < 0, size, rankings), positives, size + 1, max(ks, default=1))
    return Result(
        recalls={k: recall_at(ranks, k) for k in ks},
        recalls_answerable={k: recall_at(ranks, k, answerable) for k in ks},
        intervals={k: mean_interval(100.0 * (ranks < k)) for k in ks},
        queries_without_positives=empty,
        mean_average_precision=float(100 * precision[answerable].mean()) if answerable.any() else None,
        curve=None if scores is None or not len(ranks) else _curve(scores[:, 0], ranks == 0, int(answerable.sum())),
        rankings=rows,
        conditions=_conditions(benchmark, ranks, ks),
        notices=tuple(notices),
        **common,
    )


def _curve(scores: np.ndarray, right: np.ndarray, answerable: int) -> Curve:
    curve = precision_recall(scores, right, answerable)
    return Curve(
        curve.thresholds.tolist(),
        curve.precision.tolist(),
        curve.recall.tolist(),
        curve.auc,
        curve.recall_at_full_precision,
    )


def _conditions(benchmark: Benchmark, ranks: np.ndarray, ks: tuple[int, ...]) -> dict[str, dict[str, float]]:
    """Recalls per condition of the queries, where the data set names more than one."""
    if "condition" not in benchmark.queries.texts:
        return {}
    codes, names = benchmark.queries.texts["condition"].codes()
    if len(names) < 2:
        return {}
    return {
        name or "unknown": {
            "queries": float((codes == code).sum()),
            **{f"R@{k}": recall_at(ranks, k, codes == code) for k in ks},
        }
        for code, name in enumerate(names)
    }


def _query_results(
    benchmark: Benchmark, rankings: np.ndarray, scores: np.ndarray | None, ranks: np.ndarray | None
) -> list[QueryResult]:
    queries, database = benchmark.queries.with_latlon(), benchmark.database
    results = []
    for number, record in enumerate(queries):
        ranking = rankings[number][rankings[number] >= 0]
        metres = geo.metres_apart(record, database[int(ranking[0])]) if len(ranking) else float("nan")
        hit = None if ranks is None or ranks[number] == NO_HIT else int(ranks[number]) + 1
        positives = None if benchmark.positives is None else benchmark.positives[number]
        results.append(
            QueryResult(
                record.name,
                ranking.tolist(),
                [] if scores is None else scores[number, : len(ranking)].tolist(),
                hit,
                None if positives is None else len(positives),
                _truth(ranking, hit, positives),
                None if np.isnan(metres) else metres,
                record.condition,
                position_of(record),
            )
        )
    return results


def _truth(ranking: np.ndarray, hit: int | None, positives: np.ndarray | None) -> int | None:
    if hit is not None:
        return int(ranking[hit - 1])
    return None if positives is None or not len(positives) else int(positives[0])


def _images(database: Records, rows: Sequence[QueryResult]) -> dict[int, DatabaseImage]:
    """The database images that the rows refer to: at most queries times K, however large the database is."""
    numbers = {number for row in rows for number in row.ranking} | {row.truth for row in rows if row.truth is not None}
    ordered = np.array(sorted(numbers), np.int64)
    referred = database.take(ordered).with_latlon()
    return {
        int(number): DatabaseImage(record.name, position_of(record))
        for number, record in zip(ordered, referred, strict=True)
    }
