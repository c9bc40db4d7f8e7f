"""Recall over the two thresholds of guided re-ranking."""

from typing import TYPE_CHECKING, Any

import numpy as np

from vprkit.errors import ConfigError
from vprkit.evaluation.sweep import Sweep
from vprkit.report.figures.canvas import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def threshold_map(sweep: Sweep, k: int | None = None) -> "Figure":
    """A heat-map of Recall@K after re-ranking; the best pair is framed, the recall before stands above.

    White is the recall before re-ranking, blue is better, red worse.

    Args:
        sweep: what `vpr sweep --save` wrote, or `vprkit.evaluation.sweep.sweep` gave.
        k: of Recall@K; default the smallest there is, usually 1.

    Raises:
        ConfigError: the sweep has no such K.
        MissingExtra: matplotlib is not installed.
    """
    k = min(sweep.recalls) if k is None else k
    if k not in sweep.recalls:
        raise ConfigError(f"the sweep has recall at {', '.join(map(str, sorted(sweep.recalls)))}, not at {k}")
    recalls, before = np.array(sweep.recalls[k]), sweep.first_stage[k]
    rows, columns = recalls.shape
    title = f"{sweep.method} on {sweep.benchmark}: R@{k} of {sweep.queries} queries, {before:.1f} before re-ranking"
    figure = new_figure(max(5.0, 2.0 + 0.55 * columns), max(3.0, 1.5 + 0.38 * rows), title)
    axes = figure.subplots()
    reach = max(0.5, float(np.abs(recalls - before).max()))
    heat = axes.imshow(recalls, cmap="RdBu", vmin=before - reach, vmax=before + reach, aspect="auto")
    _ticks(axes, sweep)
    for (row, column), value in np.ndenumerate(recalls):
        dark = abs(value - before) > 0.6 * reach
        axes.text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=7, color="white" if dark else "black")
    _frame_best(axes, sweep)
    bar = figure.colorbar(heat, ax=axes)
    bar.set_label("per cent", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    bar.ax.axhline(before, color="black", linewidth=1)
    return figure


def _ticks(axes: Any, sweep: Sweep) -> None:
    axes.set_xticks(range(len(sweep.similarities)), [f"{value:g}" for value in sweep.similarities])
    axes.set_yticks(range(len(sweep.saliencies)), [f"{value:g}" for value in sweep.saliencies])
    axes.tick_params(labelsize=8, length=0)
    axes.set_xlabel("similarity threshold", fontsize=9)
    axes.set_ylabel("saliency threshold", fontsize=9)
    axes.spines[:].set_visible(False)


def _frame_best(axes: Any, sweep: Sweep) -> None:
    """A frame around the pair that `Sweep.best` chooses (by the smallest K)."""
    best = sweep.best()
    row, column = sweep.saliencies.index(best.saliency), sweep.similarities.index(best.similarity)
    left, right, top, bottom = column - 0.5, column + 0.5, row - 0.5, row + 0.5
    axes.plot(
        [left, right, right, left, left], [top, top, bottom, bottom, top], color="black", linewidth=2, clip_on=False
    )
