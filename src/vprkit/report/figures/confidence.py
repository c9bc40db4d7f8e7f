"""How true confidences are, and what rejecting unsure answers buys, as a figure."""

from typing import TYPE_CHECKING, Any

import numpy as np

from vprkit.evaluation.confidence import judged, right_answers, seen_in_fit
from vprkit.evaluation.reliability import BINS, RejectCurve, Reliability, reject_curve, reliability
from vprkit.evaluation.result import Result
from vprkit.report.figures.canvas import BATCH, MEMORY, new_figure, open_frame
from vprkit.retrieval.confidence import Confidence

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MUTED = "#8a939c"
BARS = 20
"""Groups of the histogram below the diagram."""


def confidence_figure(confidence: Confidence, result: Result, bins: int = BINS) -> "Figure":
    """Reliability diagram over a histogram of confidences, and beside it the share right over the share answered.

    Args:
        confidence: a calibration, best fitted on other images; the title says where it was not.
        result: an evaluation of its method.
        bins: points of the diagram, each of equally many answers.

    Raises:
        DataError: the calibration says nothing about these answers, or nothing says which are right.
        MissingExtra: matplotlib is not installed.
    """
    values, right = judged(confidence, result), right_answers(result)
    found, curve = reliability(values, right, bins), reject_curve(values, right)
    seen = " (the calibration was fitted on these queries)" if seen_in_fit(confidence, result) else ""
    figure = new_figure(9.0, 4.0, f"{result.method} on {result.benchmark}{seen}")
    grid = figure.add_gridspec(2, 2, height_ratios=[3.4, 1.0])
    diagram = figure.add_subplot(grid[0, 0])
    _draw_diagram(diagram, found)
    _draw_histogram(figure.add_subplot(grid[1, 0], sharex=diagram), values, right)
    _draw_curve(figure.add_subplot(grid[:, 1]), curve)
    return figure


def _draw_diagram(axes: Any, found: Reliability) -> None:
    open_frame(axes, "", "right")
    x, y = np.array([one.confidence for one in found.bins]), np.array([one.right for one in found.bins])
    reach = np.array([[one.right - one.interval[0], one.interval[1] - one.right] for one in found.bins]).T
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 4)))
    axes.errorbar(x, y, reach.clip(0), color=BATCH, marker="o", markersize=5, linewidth=0, elinewidth=1.4)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.02, 1.02)
    axes.tick_params(labelbottom=False)
    told = f"calibration error {found.ece:.3f}\nBrier score {found.brier:.3f}\n{found.count:,} answers"
    axes.text(0.03, 0.97, told, transform=axes.transAxes, va="top", fontsize=8)
    axes.set_title("Answers of like confidence", fontsize=9, loc="left")


def _draw_histogram(axes: Any, values: np.ndarray, right: np.ndarray) -> None:
    known = ~np.isnan(values)
    open_frame(axes, "confidence", "answers")
    groups = [values[known & right], values[known & ~right]]
    axes.hist(groups, np.linspace(0, 1, BARS + 1), stacked=True, color=[BATCH, MEMORY], label=["right", "wrong"])
    axes.legend(fontsize=7, frameon=False, ncols=2, loc="upper center")


def _draw_curve(axes: Any, curve: RejectCurve) -> None:
    open_frame(axes, "answered, share of queries", "right, share of answers")
    axes.plot(curve.answered, curve.right, color=BATCH, linewidth=2, clip_on=False)
    for level in curve.levels():
        if level.threshold is not None and level.reached is not None:
            axes.plot(level.answered, level.reached, "o", color=MEMORY, markersize=5, clip_on=False)
            told = f"{100 * level.wanted:g} % right: accept from {level.threshold:.2f}"
            _label(axes, told, level.answered, level.reached)
    axes.set_xlim(0, 1)
    axes.set_ylim(top=1)
    axes.set_title("“I do not know this place” below a confidence", fontsize=9, loc="left", pad=16)


def _label(axes: Any, told: str, x: float, y: float) -> None:
    """Words beside a point of a falling curve where there is room: right of it, or left of it and below the curve."""
    right = x < 0.5
    place: dict[str, Any] = {"ha": "left", "va": "bottom"} if right else {"ha": "right", "va": "top"}
    offset = (8, 2) if right else (-8, -4)
    axes.annotate(told, (x, y), offset, textcoords="offset points", fontsize=8, **place)
