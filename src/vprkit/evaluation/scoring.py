"""Rankings against ground truth: every number of a `Result`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from vprkit.data import geo
from vprkit.data.benchmark import Benchmark
from vprkit.data.positives import Positives
from vprkit.data.sequences import Sequenced
from vprkit.evaluation.bootstrap import mean_interval
from vprkit.evaluation.curves import precision_recall
from vprkit.evaluation.recall import first_hits, precision_at, recall_at, right_answers
from vprkit.evaluation.result import Curve, DatabaseImage, QueryResult, Result, position_of
from vprkit.method import IMAGES, Modality
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
    reads: frozenset[Modality] = IMAGES,
) -> Result:
    """A result of rankings; `reads` is what the method read of a query."""
    notices = [*benchmark.notices, *notices]
    common: dict[str, Any] = {
        "benchmark": benchmark.name, "rule": benchmark.rule, "method": method, "queries": len(benchmark.queries),
        "database": len(benchmark.database), "protocol": benchmark.protocol,
        "identity": identity, "weights": weights, "environment": environment,
        "database_root": str(benchmark.database.root.absolute()),
        "queries_root": str(benchmark.queries.root.absolute()), "timings": timings.summary(),
        "list_hashes": _list_hashes(benchmark),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    if benchmark.positives is None:
        rows = _query_results(benchmark, rankings, scores, None, reads)
        return Result(recalls={}, recalls_answerable={}, intervals={}, queries_without_positives=0, curve=None,
                      mean_average_precision=None, rankings=rows, images=_images(benchmark, rows),
                      notices=tuple(notices), **common)  # fmt: skip
    ks, notices = _askable(ks, rankings.shape[1], len(benchmark.database), notices)
    return _labelled(benchmark, benchmark.positives, rankings, scores, ks, notices, common, reads)


def _list_hashes(benchmark: Benchmark) -> dict[str, str]:
    """SHA-256 of both lists (of sequences, which frames they hold is part of it) and of what is right."""
    sides: Benchmark | Sequenced = benchmark if benchmark.frames is None else benchmark.frames
    hashes = {"database": sides.database.list_hash(), "queries": sides.queries.list_hash()}
    return hashes if benchmark.positives is None else {**hashes, "positives": benchmark.positives.sha256}


def _askable(ks: tuple[int, ...], depth: int, size: int, notices: list[str]) -> tuple[tuple[int, ...], list[str]]:
    """The K that a ranking of this depth can answer, and what to say about the others."""
    beyond = [f"R@{k}" for k in ks if k > depth]
    if beyond and depth == size:
        return ks, [*notices, f"only {size} database images: {', '.join(beyond)} is R@{size}"]
    if beyond:
        sentence = f"only {depth} ranked images per query: {', '.join(beyond)} cannot be told"
        return tuple(k for k in ks if k <= depth), [*notices, sentence]
    return ks, notices


def _labelled(
    benchmark: Benchmark,
    positives: Positives,
    rankings: np.ndarray,
    scores: np.ndarray | None,
    ks: tuple[int, ...],
    notices: list[str],
    common: dict[str, Any],
    reads: frozenset[Modality],
) -> Result:
    size = len(benchmark.database)
    # A padded rank can never be right: it points at a database image that does not exist.
    existing = np.where(rankings < 0, size, rankings)
    ranks = first_hits(existing, positives, size + 1)
    right = right_answers(existing, positives, size + 1)
    precision = {k: precision_at(right, positives.counts, k) for k in (ks or (1,))}
    rows = _query_results(benchmark, rankings, scores, right, reads)
    answerable = positives.counts > 0
    empty = int((~answerable).sum())
    if empty:
        miss = "has no positive and counts as a miss" if empty == 1 else "have no positive and count as misses"
        notices = [*notices, f"{empty} of {len(ranks)} queries {miss} in R@K"]
    return Result(
        recalls={k: recall_at(ranks, k) for k in ks},
        recalls_answerable={k: recall_at(ranks, k, answerable) for k in ks},
        intervals={k: mean_interval(100.0 * (ranks < k)) for k in ks},
        queries_without_positives=empty,
        mean_average_precision=_mean(precision[max(precision)], answerable) if answerable.any() else None,
        precisions={k: _mean(values, answerable) for k, values in precision.items()} if answerable.any() else {},
        curve=None if scores is None or not len(ranks) else _curve(scores[:, 0], ranks == 0, int(answerable.sum())),
        rankings=rows,
        images=_images(benchmark, rows),
        conditions=_conditions(benchmark, ranks, ks),
        areas=_areas(benchmark, ranks, precision, answerable, ks),
        notices=tuple(notices),
        **common,
    )


def _curve(scores: np.ndarray, right: np.ndarray, answerable: int) -> Curve:
    given = np.isfinite(scores)  # a query that was skipped gave no answer to accept
    curve = precision_recall(scores[given], right[given], answerable)
    return Curve(
        curve.thresholds.tolist(),
        curve.precision.tolist(),
        curve.recall.tolist(),
        curve.auc,
        curve.recall_at_full_precision,
    )


def _mean(values: np.ndarray, counted: np.ndarray) -> float:
    """Per cent over the queries that count; NaN where none does."""
    return float(100 * values[counted].mean()) if counted.any() else float("nan")


def _areas(
    benchmark: Benchmark,
    ranks: np.ndarray,
    precision: dict[int, np.ndarray],
    answerable: np.ndarray,
    ks: tuple[int, ...],
) -> dict[str, dict[str, float]]:
    """Recalls and mAP per city, where the set has cities."""
    if benchmark.areas is None:
        return {}
    rows = {name: benchmark.areas.queries == number for number, name in enumerate(benchmark.areas.names)}
    return {
        name: {
            "queries": float(inside.sum()),
            **{f"R@{k}": recall_at(ranks, k, inside) for k in ks},
            **{f"mAP@{k}": _mean(precision[k], inside & answerable) for k in ks},
        }
        for name, inside in rows.items()
    }


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
    benchmark: Benchmark,
    rankings: np.ndarray,
    scores: np.ndarray | None,
    right: np.ndarray | None,
    reads: frozenset[Modality],
) -> list[QueryResult]:
    results = []
    for number, record in enumerate(benchmark.queries.with_latlon()):
        valid = rankings[number] >= 0
        ranking = rankings[number][valid]
        hits = None if right is None else right[number][valid]
        positives = None if benchmark.positives is None else benchmark.positives[number]
        first = int(hits.argmax()) + 1 if hits is not None and hits.any() else None
        metres = geo.metres_apart(record, benchmark.database[int(ranking[0])]) if len(ranking) else float("nan")
        results.append(
            QueryResult(
                name=record.name,
                ranking=ranking.tolist(),
                scores=[] if scores is None else scores[number][valid].tolist(),
                right=None if hits is None else hits.tolist(),
                first_hit=first,
                positives=None if positives is None else len(positives),
                truth=_truth(benchmark, number, ranking, first),
                metres=None if np.isnan(metres) else metres,
                condition=record.condition,
                position=position_of(record),
                frames=[] if benchmark.frames is None else benchmark.frames.queries.names(number),
                text=(record.text or "") if "text" in reads else "",
                by_photo="image" in reads,
            )
        )
    return results


def _truth(benchmark: Benchmark, query: int, ranking: np.ndarray, first: int | None) -> int | None:
    """The positive to show: the best-ranked one, else the one that looks the same way, else the nearest."""
    if first is not None:
        return int(ranking[first - 1])
    if benchmark.positives is None or not len(benchmark.positives[query]):
        return None
    numbers, database, queries = benchmark.positives[query], benchmark.database, benchmark.queries
    turned = np.abs((database.heading[numbers] - queries.heading[query] + 180) % 360 - 180)
    metres = np.hypot(database.east[numbers] - queries.east[query], database.north[numbers] - queries.north[query])
    return int(numbers[np.lexsort((np.nan_to_num(metres), np.nan_to_num(turned)))[0]])


def _images(benchmark: Benchmark, rows: Sequence[QueryResult]) -> dict[int, DatabaseImage]:
    """The database images that the rows refer to: at most queries times K, however large the database is."""
    numbers = {number for row in rows for number in row.ranking} | {row.truth for row in rows if row.truth is not None}
    ordered = np.array(sorted(numbers), np.int64)
    referred = benchmark.database.take(ordered).with_latlon()
    frames = benchmark.frames
    return {
        int(number): DatabaseImage(
            record.name, position_of(record), [] if frames is None else frames.database.names(int(number))
        )
        for number, record in zip(ordered, referred, strict=True)
    }
