"""Matched patches of two photos, a few of many, as a figure."""

from typing import TYPE_CHECKING

import numpy as np

from vprkit.data.decoding import Photo
from vprkit.method import Method
from vprkit.report.choosing import Chooser, clusters
from vprkit.report.figures.canvas import new_figure, show_picture
from vprkit.report.marks import Mark, points
from vprkit.report.matches import draw_matches, match

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAIRS = 10
"""As published."""


def correspondences(
    method: Method, first: Photo, second: Photo, pairs: int = PAIRS, *, choose: Chooser = clusters, mark: Mark = points
) -> "Figure":
    """Both photos beside each other and what the method's second stage matches, like marked with like.

    Thresholds are those of the second stage (`method.reranker`); the published figure has
    `GuidedMatches(saliency=0.05, similarity=0.65, mask="per_candidate")` on patches with `bins=2`.

    Args:
        method: with a second stage that can say what it matched.
        first, second: photos.
        pairs: marked at most.
        choose: which, of many.
        mark: how: `vprkit.report.marks.points` or `lines`.

    Raises:
        NotAvailable: the method has no such second stage.
        MissingExtra: matplotlib is not installed.
    """
    found = match(method, first, second)
    chosen = choose(found, pairs)
    sheet = np.asarray(draw_matches(first, second, chosen, pairs, mark=mark, scale=max(1, round(448 / found.size[0]))))
    figure = new_figure(9.0, 0.4 + 9.0 * sheet.shape[0] / sheet.shape[1])
    title = f"{method.name}: {len(chosen.first)} of {len(found.first)} matches"
    show_picture(figure.subplots(), sheet, title)
    return figure
