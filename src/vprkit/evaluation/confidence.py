"""Fitting a calibration on evaluations, and applying one to others.

The evidence is that of `vprkit.retrieval.evidence`, the statistics those of `vprkit.evaluation.calibration`. Queries of
one surroundings stay in one fold, so that what a calibration says about itself is not flattered by near copies.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vprkit.data.records import Records
from vprkit.errors import DataError
from vprkit.evaluation.calibration import Examples, learn, log_losses
from vprkit.evaluation.reliability import reliability
from vprkit.evaluation.result import QueryResult, Result
from vprkit.retrieval.confidence import Confidence, Fitted, stage_of
from vprkit.retrieval.evidence import DEPTH, LEAST, MEANINGS, evidence, metres_from_first

FOLDS = 5

QUERIES, OF_EACH = 100, 10
"""Fewer queries, or fewer right or wrong answers, give no calibration that could be trusted."""

FEW = 200
"""Fewer answers say little about a calibration: with ten bins of 20, a share right is known to a fifth either way."""

SURROUNDINGS = 100.0
"""Metres: queries of one square of this side stay in one fold."""

STRANGE = 0.75
"""Standard deviations that evidence may lie apart on average. Measured: 0.06 from a drawn city to another, 0.86 from
its days to nights, 0.5 to 6.6 between real sets and to them.
"""

NEIGHBOURS = 10
"""Where positions are unknown, so many neighbours in the list do."""

MOST_IN_FOLD = 0.5
"""Share of all answers; a fold of more would be judged by a model of fewer answers than it holds."""


def fit_confidence(results: Sequence[Result]) -> Confidence:
    """A calibration of the answers of one method, fitted on evaluations of it; apply it to others than these.

    Args:
        results: with ground truth and scores, of one method and one second stage, at least 5 hits each (better 10).

    Raises:
        DataError: there is none, they are of several methods, or they have too few queries, hits or mistakes.
    """
    if not results:
        raise DataError("a calibration needs at least one evaluation to be fitted on")
    first = results[0]
    for result in results:
        _check_labelled(result)
    depth = min(DEPTH, *(_hits(result) for result in results))
    if depth < LEAST:
        raise DataError(
            f"the evaluations keep {depth} scored hits of each query, a calibration needs {LEAST} or better {DEPTH}; "
            f"evaluate with --recall 1,5,{DEPTH}, and with --rerank of at least as many"
        )
    tables = [_table(result, depth) for result in results]
    examples = Examples(
        np.concatenate([found for found, _ in tables]),
        np.concatenate([right_answers(result)[rows] for result, (_, rows) in zip(results, tables, strict=True)]),
        _folds([(result, rows) for result, (_, rows) in zip(results, tables, strict=True)]),
    )
    _check_enough(examples)
    learnt = learn(examples)
    told = reliability(learnt.held_out, examples.right)
    lists = tuple(Fitted(r.benchmark, r.rule, r.queries, dict(r.list_hashes)) for r in results)
    quality = {
        "queries": float(told.count), "right": told.right, "ece": told.ece, "brier": told.brier,
        "log_loss": float(log_losses(learnt.held_out, examples.right).mean()),
    }  # fmt: skip
    fitted = Confidence(_identity(first), _stage(first), _asks(first), depth, lists, learnt.model, quality)
    for result in results[1:]:
        check_fits(fitted, result)
    return fitted


def judged(confidence: Confidence, result: Result) -> np.ndarray:
    """(Q,) probabilities that the first answer of each query is right; NaN where too few hits have a score.

    Raises:
        DataError: the result is of another method or second stage, or keeps too few hits.
    """
    check_fits(confidence, result)
    if _hits(result) < confidence.depth:
        raise DataError(
            f"the result on {result.benchmark} keeps {_hits(result)} scored hits of each query, the calibration looks "
            f"at {confidence.depth}; evaluate with --recall 1,5,{confidence.depth}"
        )
    found, rows = _table(result, confidence.depth)
    values = np.full(len(result.rankings), np.nan)
    values[rows] = confidence.model.probabilities(found)
    return values


def check_fits(confidence: Confidence, result: Result) -> None:
    """Refuse a result that a calibration says nothing about.

    Raises:
        DataError: it is of another method, second stage or kind of query.
    """
    why = confidence.why_not(_identity(result), _stage(result), _asks(result))
    if why is not None:
        raise DataError(f"the result of {result.method} on {result.benchmark} does not fit: {why}")


def cautions(confidence: Confidence, result: Result) -> list[str]:
    """What a reader of its figures on this result should know, one sentence each."""
    found = []
    if seen_in_fit(confidence, result):
        found.append("the calibration was fitted on these very queries, so nothing here is a test of it")
    others = sorted({one.rule for one in confidence.fitted} - {result.rule})
    if others:
        found.append(f"right means here: {result.rule}; where the calibration was fitted: {' / '.join(others)}")
    judged_by = _table(result, confidence.depth)[0]
    if 0 < len(judged_by) < FEW:
        found.append(f"these answers are too few to judge a calibration by ({len(judged_by)}); take at least {FEW}")
    return [*found, *_strange(confidence, judged_by)]


def _strange(confidence: Confidence, found: np.ndarray) -> list[str]:
    """What to say where (Q, E) evidence is, on average, far from what was fitted on."""
    if not len(found):
        return []
    shifts = (found.mean(0) - np.array(confidence.model.mean)) / np.array(confidence.model.scale)
    farthest = int(np.abs(shifts).argmax())
    if abs(shifts[farthest]) <= STRANGE:
        return []
    name, way = confidence.names[farthest], "higher" if shifts[farthest] > 0 else "lower"
    return [f"these answers differ from those that the calibration was fitted on ({name}, {MEANINGS[name]}, is "
            f"{abs(shifts[farthest]):.1f} standard deviations {way} on average), so it may be far off; fit on answers "
            "like these"]  # fmt: skip


def seen_in_fit(confidence: Confidence, result: Result) -> bool:
    """Whether the calibration was fitted on the queries of this result: then it is no test of it."""
    queries = result.list_hashes.get("queries")
    return queries is not None and queries in {one.lists.get("queries") for one in confidence.fitted}


def _check_labelled(result: Result) -> None:
    if not result.labelled:
        raise DataError(
            f"the result of {result.method} on {result.benchmark} has no ground truth, so nothing says "
            "which answers are right"
        )


def _check_enough(examples: Examples) -> None:
    count, right = len(examples.right), int(examples.right.sum())
    if count < QUERIES or min(right, count - right) < OF_EACH:
        raise DataError(
            f"{count} queries with {right} right and {count - right} wrong answers are too few for a calibration; it "
            f"needs {QUERIES} with {OF_EACH} of each"
        )


def _identity(result: Result) -> dict[str, Any]:
    return {"method": result.method, **result.identity}


def _stage(result: Result) -> dict[str, Any] | None:
    return None if result.reranked is None else stage_of(result.second_stage)


def _asks(result: Result) -> str:
    if any(not row.by_photo for row in result.rankings):
        return "text"
    return "photo and text" if any(row.text for row in result.rankings) else "photo"


def _scored(row: QueryResult) -> int:
    """Leading hits that have a score; those behind a second stage's shortlist have none."""
    return next((rank for rank, score in enumerate(row.scores) if score is None or not np.isfinite(score)),
                len(row.scores))  # fmt: skip


def _hits(result: Result) -> int:
    return max(map(_scored, result.rankings), default=0)


def _table(result: Result, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """(evidence of the queries with so many scored hits, their numbers)."""
    rows = np.array([number for number, row in enumerate(result.rankings) if _scored(row) >= depth], np.int64)
    numbers = sorted(result.images)
    places = {number: place for place, number in enumerate(numbers)}
    images = Records.from_rows("", ({"name": "", **vars(result.images[number].position)} for number in numbers))
    ranked = [result.rankings[row] for row in rows]
    hits = np.array([[places[number] for number in row.ranking[:depth]] for row in ranked], np.int64).reshape(-1)
    scores = np.array([row.scores[:depth] for row in ranked], np.float64).reshape(-1, depth)
    return evidence(scores, metres_from_first(images.take(hits), depth)), rows


def right_answers(result: Result) -> np.ndarray:
    """(Q,) bool: which first answers are right.

    Raises:
        DataError: there is no ground truth.
    """
    _check_labelled(result)
    return np.array([row.first_hit == 1 for row in result.rankings], bool)


def _folds(answers: Sequence[tuple[Result, np.ndarray]]) -> np.ndarray:
    """(N,) fold of each answer, drawn by lot for squares of a town; by stretches of a list without positions, or where
    a fold of squares would hold most answers (one building), so that too few were left to learn from.
    """
    asked = [(number, int(row), result) for number, (result, rows) in enumerate(answers) for row in rows]
    folds = _drawn([_square(*one) for one in asked])
    if np.bincount(folds).max() > MOST_IN_FOLD * len(folds):
        folds = _drawn([_stretch(number, row) for number, row, _ in asked])
    return folds


def _drawn(groups: Sequence[tuple[Any, ...]]) -> np.ndarray:
    """(N,) fold of each answer; those of one group share one."""
    codes = {group: code for code, group in enumerate(dict.fromkeys(groups))}
    drawn = np.random.default_rng(0).permutation(len(codes)) % FOLDS
    return np.asarray(drawn[[codes[group] for group in groups]])


def _square(number: int, row: int, result: Result) -> tuple[Any, ...]:
    place = result.rankings[row].position
    if place.east is None or place.north is None:
        return _stretch(number, row)
    return place.zone, place.south, place.east // SURROUNDINGS, place.north // SURROUNDINGS


def _stretch(number: int, row: int) -> tuple[int, int]:
    return number, row // NEIGHBOURS
