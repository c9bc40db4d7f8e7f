"""Evaluation: a method (or somebody's vectors or rankings) against a benchmark."""

import dataclasses
import hashlib
import itertools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from vprkit.data.benchmark import Benchmark
from vprkit.data.records import Records
from vprkit.data.sequences import Sequenced
from vprkit.errors import ConfigError, DataError
from vprkit.evaluation.environment import environment
from vprkit.evaluation.given import as_array, check_rows
from vprkit.evaluation.notices import cautions, left_out, lengths_told
from vprkit.evaluation.query_modes import QueryMode, query_method, ranked_as
from vprkit.evaluation.ranking import ranked, without_ignored
from vprkit.evaluation.result import Result
from vprkit.evaluation.scoring import score
from vprkit.evaluation.sequences import SequenceMode, check_mode, described
from vprkit.evaluation.two_stage import Second, kept_bytes, local_source, rerank_all
from vprkit.method import IMAGES, Method, Role
from vprkit.registry import Metric, check_metric
from vprkit.retrieval.build import Built, describe_into
from vprkit.retrieval.describe import Streaming
from vprkit.retrieval.index import Rows
from vprkit.retrieval.index_rows import index_rows, row_bytes
from vprkit.retrieval.local_codec import LocalCodec
from vprkit.retrieval.partial import some_of
from vprkit.timing import Timings, with_total

KS = (1, 5, 10, 20)

Progress = Callable[[str, int, int], None]
"""Called with (what, images done, images in all)."""


def evaluate(
    method: Method,
    benchmark: Benchmark,
    *,
    ks: Sequence[int] = KS,
    rerank: int | Second | None = None,
    queries_as: QueryMode = "hard_resize",
    sequences: SequenceMode = "mean",
    features: str | Path | None = None,
    streaming: Streaming | None = None,
    progress: Progress | None = None,
) -> Result:
    """Describe database and queries, search exactly, look at shortlists again where asked, score.

    Args:
        method: what is evaluated.
        benchmark: on what.
        ks: the K of Recall@K; clipped to the database, and said so.
        rerank: candidates that the method's second stage looks at again, or a `Second` that also says where their local
            features are kept. What lies beyond them keeps its place.
        queries_as: how queries are prepared (`vprkit.evaluation.query_modes`); database images and the second stage
            always as the method says.
        sequences: how the images of a sequence make one vector, where queries or answers are sequences
            (`vprkit.evaluation.sequences`).
        features: folder that keeps what was described; described features of the same method are reused.
        streaming: batching, threads, what to do with unreadable images.
        progress: called with (role, done, total).

    Raises:
        ImageError: an image cannot be read; evaluation fails at the first unless `streaming` says skip.
        NotAvailable: the method has no second stage.
        ConfigError: sequences together with a second stage or another preparation of queries, which know single images.
    """
    ks, timings = _checked_ks(ks), Timings()
    second = Second(rerank) if isinstance(rerank, int) else rerank
    if second is not None:
        second.of(method)
    asking = query_method(method, queries_as)
    frames = benchmark.frames
    if frames is not None:
        _check_sequences(frames, sequences, second, queries_as)
    images = benchmark.images()
    with tempfile.TemporaryDirectory(prefix="vprkit-") as scratch:
        folder = Path(features) if features is not None else Path(scratch)
        local = second.kept if second else None

        def describe(role: str, by: Method, records: Records, keep: LocalCodec | None) -> _Side:
            return _describe(folder, role, by, records, streaming, timings, progress, keep)

        database, kept, in_store = describe("database", method, images["database"], local)
        plain = asking is method
        found, asked, of_queries = describe(
            "queries" if plain else f"queries-{queries_as}", asking, images["queries"], local if plain else None
        )
        queries = found[:]
        if frames is not None:
            database, kept = described(frames.database, database[:], kept, sequences)
            queries, asked = described(frames.queries, queries, asked, sequences)
        depth = max(*ks, second.count if second else 0)
        first = ranked_as(
            queries_as, queries, asked, len(benchmark.queries), method.metric, depth,
            lambda vectors: ranked(benchmark, database, vectors, method.metric, depth, timings, rows=kept, asked=asked),
        )  # fmt: skip
        final, storage = first, {"descriptor": row_bytes(database) / 1000}
        if second is not None:
            if not plain:
                of_queries = describe("queries", method, benchmark.queries, local)[2]
            second = dataclasses.replace(second, count=min(second.count, first[0].shape[1]))
            once = dataclasses.replace(second, cache_gigabytes=0)  # a query is asked for once
            of_query = local_source(once, of_queries, method, benchmark.queries, streaming, timings)
            of_candidate = local_source(second, in_store, method, benchmark.database, streaming, timings)
            storage["local"] = kept_bytes(second, in_store) / 1000
            final = rerank_all(method, second, asked, queries, first[0], of_query, of_candidate, timings,
                               _step(progress, "rerank", len(asked)))  # fmt: skip
    notices = [f"{frames.words()}, named by their centres; joined by the {sequences} of unit vectors"] if frames else []
    notices += cautions(method, images) + left_out(benchmark, kept, asked)
    joined: dict[str, str] = {} if frames is None else {"sequences": sequences}
    joined |= {} if plain else {"queries_as": queries_as}
    result = score(benchmark, *final, ks, method=method.name, identity={**method.identity(), **joined},
                   weights=None if method.weights is None else vars(method.weights), timings=timings, notices=notices,
                   environment=environment(method), reads=method.reads("query"))  # fmt: skip
    result = dataclasses.replace(result, storage=storage)
    if plain and frames is None:  # else a query is several images, or several vectors
        result = dataclasses.replace(result, timings=with_total(result.timings, _journey(second), len(asked)))
    if second is None:
        return result
    before = score(benchmark, *first, ks, method=method.name, identity={}, timings=Timings(), environment={})
    rows = [
        dataclasses.replace(row, first_answer=number if number >= 0 else None)
        for row, number in zip(result.rankings, first[0][:, 0].tolist(), strict=True)
    ]
    return dataclasses.replace(
        result, rankings=rows, first_stage=before.recalls, reranked=second.count, second_stage=second.told(method)
    )


def _journey(second: Second | None) -> tuple[str, ...]:
    """The stages that a query goes through from photo to answer."""
    return ("decode", "describe", "search", *(("rerank",) if second is not None else ()))


def _check_sequences(frames: Sequenced, how: SequenceMode, second: Second | None, queries_as: QueryMode) -> None:
    if second is not None or queries_as != "hard_resize":
        asked = "re-ranking" if second is not None else f"queries as {queries_as}"
        raise ConfigError(f"{asked} looks at single images, and here are {frames.words()}; leave it out")
    check_mode(frames, how)


_Side = tuple[Rows, np.ndarray, Built]
"""(vectors, their numbers among the records, what describing came to)."""


def _step(progress: Progress | None, what: str, total: int) -> Callable[[int], None] | None:
    """A counter of steps for a progress that wants totals."""
    if progress is None:
        return None
    done = itertools.count(1)
    return lambda _: progress(what, next(done), total)


def evaluate_descriptors(
    queries: np.ndarray,
    database: np.ndarray,
    benchmark: Benchmark,
    *,
    ks: Sequence[int] = KS,
    metric: Metric = "ip",
    name: str = "descriptors",
    rows: np.ndarray | None = None,
    asked: np.ndarray | None = None,
) -> Result:
    """Score somebody's own vectors: (Q, D) and (N, D) float arrays in the order of the benchmark's images.

    Where these are sequences: one vector per sequence, such as `vprkit.sequence_vectors` makes of `benchmark.frames`.
    Where some have none: `rows` and `asked` are the ascending numbers of the database images and of the queries that
    have one. Queries without a vector count as misses.

    `metric` is `ip` (inner product, which is cosine similarity where vectors have length 1) or `l2`.
    """
    check_metric(metric)
    queries, database = (
        as_array(given, f"{role} descriptors", "give one row of the same length per image")
        for role, given in (("query", queries), ("database", database))
    )
    kept = np.arange(len(benchmark.database)) if rows is None else rows
    asking = np.arange(len(benchmark.queries)) if asked is None else asked
    for role, vectors, wanted in (("query", queries, asking), ("database", database, kept)):
        if vectors.ndim != 2 or len(vectors) != len(wanted):
            raise DataError(
                f"{role} descriptors have shape {vectors.shape}, the benchmark has {len(wanted)} "
                "images; give one row per image, in the order of benchmark.queries / benchmark.database"
            )
    ks, timings = _checked_ks(ks), Timings()
    if not len(queries) or not len(database):
        raise DataError("there are no descriptors to compare")
    queries, database = np.asarray(queries, np.float32), np.ascontiguousarray(database, np.float32)
    numbers, scores = ranked(benchmark, database, queries, metric, max(ks), timings, rows=kept, asked=asking)
    return score(
        benchmark,
        numbers,
        scores,
        ks,
        method=name,
        identity={"metric": metric},
        timings=timings,
        environment=environment(None),
        notices=[*left_out(benchmark, kept, asking), *lengths_told(database, queries, metric)],
    )


def evaluate_rankings(
    rankings: np.ndarray,
    benchmark: Benchmark,
    *,
    scores: np.ndarray | None = None,
    ks: Sequence[int] = KS,
    name: str = "rankings",
) -> Result:
    """Score somebody's own rankings.

    Args:
        rankings: (Q, K) database numbers, best first; -1 pads at the end.
        benchmark: on what.
        scores: (Q, K) of these, higher is better; needed for the precision-recall curve.
    """
    fill = "fill the short ones up at their end with {} to one length"
    rankings = as_array(rankings, "rankings", fill.format(-1))
    scores = None if scores is None else as_array(scores, "scores", fill.format(-np.inf)).astype(np.float64)
    if rankings.ndim != 2 or len(rankings) != len(benchmark.queries) or rankings.dtype.kind not in "iu":
        raise DataError(
            f"rankings must be whole numbers of shape ({len(benchmark.queries)}, K), got "
            f"{rankings.dtype} {rankings.shape}"
        )
    if rankings.size and not -1 <= rankings.min() <= rankings.max() < len(benchmark.database):
        strange = rankings.min() if rankings.min() < -1 else rankings.max()
        raise DataError(f"rankings name database image {strange}, the benchmark has {len(benchmark.database)}")
    if not rankings.shape[1]:
        raise DataError("rankings hold no column; rank at least one database image per query")
    check_rows(rankings)
    if scores is not None and np.shape(scores) != rankings.shape:
        raise DataError(f"scores have shape {np.shape(scores)}, rankings {rankings.shape}; they must agree")
    rankings, scores = without_ignored(benchmark, rankings.astype(np.int64), scores)
    return score(
        benchmark,
        rankings,
        scores,
        _checked_ks(ks),
        method=name,
        identity={},
        timings=Timings(),
        environment=environment(None),
    )


def _checked_ks(ks: Sequence[int]) -> tuple[int, ...]:
    if not ks or min(ks) < 1:
        raise ConfigError(f"the K of Recall@K must be positive whole numbers, got {list(ks)}")
    return tuple(sorted(set(ks)))


def _describe(
    folder: Path,
    role: str,
    method: Method,
    records: Records,
    streaming: Streaming | None,
    timings: Timings,
    progress: Progress | None,
    local: LocalCodec | None,
) -> _Side:
    """(vectors, their numbers among the records, what describing came to).

    Every root has a store of its own, so that several sets may share a features folder without mixing; so has every
    precision, and every kind of local features.
    """
    report = None if progress is None else lambda done, total: progress(role, done, total)
    place = hashlib.sha256(str(records.root.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:12]
    name = f"{role}-{place}" if local is None else f"{role}-{place}-{local.dtype}"
    if method.precision != "fp32":
        name += f"-{method.precision}"
    kind: Role = "database" if role == "database" else "query"
    if method.reads(kind) != IMAGES:
        name += "-" + "+".join(sorted(method.reads(kind)))
    built = describe_into(
        folder / name, method, records, streaming, timings=timings, progress=report, local=local, role=kind, facts=False
    )  # what else is known of the images comes from the benchmark, never from the store
    kept = np.flatnonzero(built.rows >= 0)
    return some_of(index_rows(method, built.store, kind), built.rows[kept]), kept, built
