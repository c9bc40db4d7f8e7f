"""Two runs on the same queries: is the difference more than luck?"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from vprkit.errors import DataError
from vprkit.evaluation.bootstrap import mean_interval
from vprkit.evaluation.result import Result


@dataclass(frozen=True)
class Difference:
    """Recall@K of the second run minus the first, in percentage points.

    Attributes:
        k: the K.
        points: the difference.
        interval: its 95 % interval, queries resampled in pairs.
        only_first, only_second: queries that only one of them answers.
        p_value: exact McNemar test that both are equally good.
    """

    k: int
    points: float
    interval: tuple[float, float]
    only_first: int
    only_second: int
    p_value: float


@dataclass(frozen=True)
class Comparison:
    """A paired comparison of two results."""

    first: str
    second: str
    differences: tuple[Difference, ...]

    def table(self) -> str:
        lines = [f"{self.second} minus {self.first}"]
        lines += [
            f"  R@{d.k:<3} {d.points:+6.1f} points   95% [{d.interval[0]:+.1f}, {d.interval[1]:+.1f}]   "
            f"p = {d.p_value:.3g}   ({d.only_second} gained, {d.only_first} lost)"
            for d in self.differences
        ]
        return "\n".join(lines)


def _same_lists(first: Result, second: Result) -> bool:
    """Images, their order and what is right for each; results of earlier versions do not say the last."""
    told = {*first.list_hashes} & {*second.list_hashes} | {"database", "queries"}
    return all(first.list_hashes.get(role) == second.list_hashes.get(role) for role in told)


def compare(first: Result, second: Result) -> Comparison:
    """Compare two labelled results query by query.

    Raises:
        DataError: they are of other images or other ground truth, or unlabelled.
    """
    if not (first.labelled and second.labelled):
        raise DataError("a comparison needs ground truth in both results")
    if not _same_lists(first, second) or first.rule != second.rule:
        raise DataError(
            f"the results are not comparable: {first.benchmark} ({first.rule}) against {second.benchmark} "
            f"({second.rule}) have other images or another ground truth"
        )
    names = tuple(
        f"{result.method}" if first.method != second.method else f"{label} ({result.method})"
        for label, result in (("first", first), ("second", second))
    )
    ks = [k for k in first.recalls if k in second.recalls]
    return Comparison(names[0], names[1], tuple(_difference(first, second, k) for k in ks))


def _difference(first: Result, second: Result, k: int) -> Difference:
    one, two = (
        np.array([row.first_hit is not None and row.first_hit <= k for row in result.rankings])
        for result in (first, second)
    )
    change = 100.0 * (two.astype(float) - one.astype(float))
    lost, gained = int((one & ~two).sum()), int((two & ~one).sum())
    p_value = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    return Difference(k, float(change.mean()), mean_interval(change), lost, gained, float(p_value))
