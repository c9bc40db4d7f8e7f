"""The curves of a report: recall over K, precision over recall; each also as a table."""

import math
from collections.abc import Sequence

import numpy as np

from vprkit.evaluation.result import Curve, Result
from vprkit.report import words
from vprkit.report.groups import Group
from vprkit.report.markup import Html, details, element, join, section, table
from vprkit.report.svg import Axis, Series, line_chart, nice_ticks, swatch

LEVELS = (10, 25, 50, 75, 90, 95, 100)
"""Per cent of recall at which the table gives the precision."""

POINTS = 400
"""A curve is thinned to so many points; more cannot be seen."""

BANDS = 3
"""Intervals are drawn for at most so many runs: more would hide each other."""


def curves(group: Group) -> Html:
    """Both charts side by side, where there is something to draw."""
    charts = [chart for chart in (_recall_chart(group.labelled), _precision_chart(group.labelled)) if chart]
    return section("Curves", element("div", *charts, class_="charts")) if charts else Html("")


def _recall_chart(runs: Sequence[tuple[str, Result]]) -> Html:
    series = [
        Series(label, sorted(result.recalls.items()), _band(result) if len(runs) <= BANDS else (), markers=True)
        for label, result in runs
    ]
    ks = sorted({k for _, result in runs for k in result.recalls})
    known = [value for one in series for _, value in one.points if math.isfinite(value)]
    if len(ks) < 2 or not known:
        return Html("")
    lows = [low for one in series for _, low, _ in one.band if math.isfinite(low)]
    floor = 10.0 * math.floor(min(known + lows) / 10 - 1)
    floor = floor if floor > 20 else 0.0
    x = Axis("K: images looked at", ks[0], ks[-1], _apart(ks, log=ks[-1] >= 50), log=ks[-1] >= 50)
    note = "Bands are the 95 % intervals." if lows else ""
    drawn = line_chart(series, x, per_cent("recall, per cent", floor), "Recall@K of each run")
    return chart_figure("Recall@K", runs, drawn, note)


def _precision_chart(runs: Sequence[tuple[str, Result]]) -> Html:
    known = [(label, result.curve) for label, result in runs if result.curve is not None and result.curve.recall]
    if not known:
        return Html("")
    series = [Series(label, thinned(curve.recall, curve.precision)) for label, curve in known]
    drawn = line_chart(
        series,
        per_cent("recall, per cent of answerable queries"),
        per_cent("precision, per cent"),
        "Precision over recall of each run",
    )
    note = "First answers are accepted down to a score: how many of them are right, over how many queries that answers."
    areas = [
        [label, words.number(curve.auc, 3), words.number(100 * curve.recall_at_full_precision)]
        for label, curve in known
    ]
    summary = table("Summary", ["Run", "Area under the curve", "Recall without a mistake, %"], areas)
    levels = [[f"{level} %", *(_at_level(curve, level) for _, curve in known)] for level in LEVELS]
    header = ["Recall", *(label for label, _ in known)]
    caption = "Precision where that much recall is reached, and the score to accept from"
    return chart_figure(
        "Precision and recall", known, drawn, note, summary, details("As a table", table(caption, header, levels))
    )


def chart_figure(title: str, runs: Sequence[tuple[str, object]], drawn: Html, note: str, *after: Html) -> Html:
    """A chart under its title, with a legend of several runs, a note, and tables."""
    legend = element("ul", *(element("li", swatch(i), label) for i, (label, _) in enumerate(runs)), class_="legend")
    return element(
        "figure",
        element("figcaption", title),
        drawn,
        legend if len(runs) > 1 else "",
        element("p", note, class_="note") if note else "",
        join(after),
    )


def _band(result: Result) -> list[tuple[float, float, float]]:
    return [(k, *result.intervals[k]) for k in sorted(result.recalls) if k in result.intervals]


def per_cent(label: str, low: float = 0.0) -> Axis:
    """An axis up to 100 per cent."""
    return Axis(label, low, 100.0, nice_ticks(low, 100.0))


def _apart(ks: Sequence[int], log: bool) -> list[float]:
    """The K that have room for a label, the last one always."""
    axis = Axis("", ks[0], ks[-1], (), log)
    kept: list[float] = [ks[-1]]
    for k in reversed(ks[:-1]):
        if axis.at(kept[-1]) - axis.at(k) >= 0.06:
            kept.append(k)
    return kept[::-1]


def thinned(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> list[tuple[float, float]]:
    """At most `POINTS` points of two shares, in per cent."""
    rows = np.unique(np.linspace(0, len(x) - 1, min(POINTS, len(x))).round().astype(int))
    return [(100 * float(x[row]), 100 * float(y[row])) for row in rows]


def _at_level(curve: Curve, level: int) -> str:
    row = int(np.searchsorted(np.array(curve.recall), level / 100 - 1e-9))
    if row >= len(curve.recall):
        return words.UNKNOWN
    return f"{words.number(100 * curve.precision[row])} % (from {words.score(curve.thresholds[row])})"
