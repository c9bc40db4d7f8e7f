"""Are confidences true (equal-mass bins, expected calibration error, Brier score), and what does rejecting buy?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vprkit.errors import DataError
from vprkit.evaluation.curves import accepted_down_to

BINS = 10
LEAST_IN_BIN = 10
"""A share right of fewer answers says nothing."""

LEVELS = (0.9, 0.95, 0.99)
Z = 1.959963984540054
"""Half the width of a 95 % interval in standard deviations."""


@dataclass(frozen=True)
class Bin:
    """Answers of like confidence.

    Attributes:
        low, high: least and greatest confidence among them.
        confidence: the mean.
        right: share that is right; `interval` its 95 % interval (Wilson, 1927).
        count: answers.
    """

    low: float
    high: float
    confidence: float
    right: float
    interval: tuple[float, float]
    count: int


@dataclass(frozen=True)
class Reliability:
    """How far confidences are from the share that is right.

    Attributes:
        bins: equally many answers each, ascending in confidence.
        ece: expected calibration error: mean distance of confidence and share right over the bins.
        brier: mean square of confidence minus 1 (right) or 0 (wrong).
        right: share of all answers that is right.
        count: answers that have a confidence; `without`: queries that have none.
    """

    bins: tuple[Bin, ...]
    ece: float
    brier: float
    right: float
    count: int
    without: int = 0


@dataclass(frozen=True)
class Level:
    """The least confidence to accept for a share right: `answered` queries, of them `reached` right; None: no such."""

    wanted: float
    threshold: float | None
    answered: float
    reached: float | None


@dataclass(frozen=True)
class RejectCurve:
    """What is gained by saying "I do not know this place" below a confidence.

    Attributes:
        thresholds: (T,) confidences, descending; answers from there on are given.
        answered: (T,) share of all queries that is answered.
        right: (T,) share of these that is right.
        area: area under the share wrong over the share answered (AURC): less is better; queries without a confidence
            are never answered.
    """

    thresholds: np.ndarray
    answered: np.ndarray
    right: np.ndarray
    area: float

    def at(self, wanted: float) -> Level:
        """The most queries that can be answered with at least this share right."""
        enough = np.flatnonzero(self.right >= wanted)
        if not len(enough):
            return Level(wanted, None, 0.0, None)
        row = int(enough[-1])
        return Level(wanted, float(self.thresholds[row]), float(self.answered[row]), float(self.right[row]))

    def levels(self, wanted: Sequence[float] = LEVELS) -> tuple[Level, ...]:
        """`at` of several."""
        return tuple(self.at(share) for share in wanted)


def reliability(probabilities: np.ndarray, right: np.ndarray, bins: int = BINS) -> Reliability:
    """Confidences against what was right, in bins of equally many answers.

    Args:
        probabilities: (Q,) confidences from 0 to 1; NaN where there is none.
        right: (Q,) bool.
        bins: how many; fewer where they would hold fewer than `LEAST_IN_BIN` answers each.

    Raises:
        DataError: shapes differ, a confidence is no probability, or there is none.
    """
    known, truth, without = _checked(probabilities, right)
    order = np.argsort(known, kind="stable")
    few = max(1, min(bins, len(order) // LEAST_IN_BIN))
    made = tuple(_bin(known[rows], truth[rows]) for rows in np.array_split(order, few))
    ece = sum(one.count * abs(one.confidence - one.right) for one in made) / len(known)
    brier = float(np.mean((known - truth) ** 2))
    return Reliability(made, float(ece), brier, float(truth.mean()), len(known), without)


def reject_curve(probabilities: np.ndarray, right: np.ndarray) -> RejectCurve:
    """Share answered and share right at every threshold that changes them; arguments and errors as of `reliability`."""
    known, truth, without = _checked(probabilities, right)
    thresholds, accepted, rights = accepted_down_to(known, truth)
    answered, share = accepted / (len(known) + without), rights / accepted
    area = float(np.sum(np.diff(answered, prepend=0.0) * (1.0 - share)))
    return RejectCurve(thresholds, answered, share, area)


def wilson(right: int, count: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927): sensible for few answers and for shares of 0 and 1."""
    share, room = right / count, Z * Z / count
    centre = (share + room / 2) / (1 + room)
    half = Z / (1 + room) * math.sqrt(share * (1 - share) / count + room / (4 * count))
    return (centre - half if right else 0.0), (centre + half if right < count else 1.0)


def _bin(confidences: np.ndarray, right: np.ndarray) -> Bin:
    interval = wilson(int(right.sum()), len(right))
    return Bin(float(confidences.min()), float(confidences.max()), float(confidences.mean()), float(right.mean()),
               interval, len(right))  # fmt: skip


def _checked(probabilities: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """(confidences that are known, bool whether right, number of the others)."""
    given, truth = np.asarray(probabilities, np.float64), np.asarray(right, bool)
    if given.shape != truth.shape or given.ndim != 1:
        raise DataError(
            f"confidences have shape {given.shape}, right answers {truth.shape}; give one of each per query"
        )
    known = ~np.isnan(given)
    if not known.any():
        raise DataError("no query has a confidence, so nothing can be said about them")
    if ((given[known] < 0) | (given[known] > 1)).any():
        raise DataError("confidences must lie between 0 and 1")
    return given[known], truth[known], int((~known).sum())
