"""Queries and their answers under each other, as a figure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vprkit.errors import ConfigError, DataError
from vprkit.evaluation.result import QueryResult, Result
from vprkit.report import words
from vprkit.report.failures import wrong_rows
from vprkit.report.figures.canvas import AS_IT_IS, new_figure
from vprkit.report.pictures import picture
from vprkit.report.sheets import COLOURS, EMPTY, INK, MUTED, Tile, tiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS, PREDICTIONS = 6, 3
BOX = (480, 360)
"""Most pixels of a photo."""

WIDE, HIGH = 2.0, 1.95
"""Inches of a tile."""


def contact_sheet(
    result: Result, rows: int = ROWS, predictions: int = PREDICTIONS, *, only_wrong: bool = False
) -> "Figure":
    """A row per query: its photo, the first predictions with score and metres, and the truth where the answer is wrong
    (one prediction more in its place where the answer is right).

    Args:
        result: an evaluation; photos are read from its `queries_root` and `database_root`.
        rows: queries, spread evenly over the list.
        predictions: of each.
        only_wrong: the worst mistakes instead: wrong answers with the highest scores.

    Raises:
        ConfigError: a number is below 1.
        DataError: there is no such query, or nothing says which answers are wrong.
        MissingExtra: matplotlib is not installed.
    """
    if rows < 1 or predictions < 1:
        raise ConfigError(f"a sheet shows at least 1 query and 1 prediction, not {rows} and {predictions}")
    if only_wrong and not result.labelled:
        raise DataError(
            f"the result on {result.benchmark} has no ground truth, so nothing says which answers are wrong"
        )
    chosen = wrong_rows(result)[:rows] if only_wrong else _spread(result.rankings, rows)
    if not chosen:
        raise DataError(f"the result on {result.benchmark} has no {'wrong answer' if only_wrong else 'query'} to show")
    shown = [tiles(row, result, predictions) for row in chosen]
    columns = max(map(len, shown))
    if columns > min(map(len, shown)):  # a place that one row has the truth in holds a prediction more in the others
        shown = [
            line if len(line) == columns else tiles(row, result, columns - 1)
            for row, line in zip(chosen, shown, strict=True)
        ]
    figure = new_figure(WIDE * columns, HIGH * len(shown) + 0.3, f"{result.method} on {result.benchmark}")
    axes = figure.subplots(len(shown), columns, squeeze=False)
    for row, (query, line) in enumerate(zip(chosen, shown, strict=True)):
        for column in range(columns):
            _draw(axes[row][column], line[column] if column < len(line) else None)
        name = words.shorten(query.name.rsplit("/", 1)[-1], 26)
        axes[row][0].set_xlabel(name, fontsize=6, color=MUTED, **AS_IT_IS)
    return figure


def _spread(rankings: Sequence[QueryResult], count: int) -> list[QueryResult]:
    places = np.unique(np.linspace(0, len(rankings) - 1, min(count, len(rankings))).round().astype(int))
    return [rankings[place] for place in places]


def _draw(axes: Any, tile: Tile | None) -> None:
    """One tile: its photo in a frame of the colour that says what it is."""
    axes.set_xticks([])
    axes.set_yticks([])
    if tile is None:
        axes.set_axis_off()
        return
    image = None if tile.path is None else picture(tile.path, BOX, enlarge=True)
    if image is not None:
        axes.imshow(np.asarray(image))
    else:
        axes.set_facecolor(EMPTY)
        axes.text(0.5, 0.5, words.shorten(tile.text or _missing(tile), 60), fontsize=7, color=INK, ha="center",
                  va="center", wrap=True, transform=axes.transAxes, **AS_IT_IS)  # fmt: skip
    colour = COLOURS[tile.kind]
    sign = {"right": "✓ ", "wrong": "✗ "}.get(tile.kind, "")
    axes.set_title(f"{sign}{tile.title}  {tile.note}".rstrip(), fontsize=7, color=colour, pad=3, **AS_IT_IS)
    for side in axes.spines.values():
        side.set_color(colour)
        side.set_linewidth(2.0)
        side.set_linestyle("--" if tile.kind == "wrong" else "-")


def _missing(tile: Tile) -> str:
    return "" if tile.path is None else "picture not readable"
