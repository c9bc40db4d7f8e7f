"""What is drawn is what was counted."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tests.evaluation.answers import answers
from vprkit.errors import DataError
from vprkit.evaluation.confidence import fit_confidence, judged, right_answers
from vprkit.evaluation.reliability import reject_curve, reliability
from vprkit.report.figures import confidence_figure
from vprkit.report.figures.canvas import new_figure
from vprkit.report.figures.confidence import _label


@pytest.fixture(scope="module")
def fitted():
    return fit_confidence([answers(600, seed=1)])


def test_points_bars_and_curve_are_the_numbers(fitted):
    other = answers(700, seed=2)
    values, right = judged(fitted, other), right_answers(other)
    figure = confidence_figure(fitted, other, bins=7)
    diagram, histogram, curve = figure.axes
    found = reliability(values, right, 7)
    drawn = diagram.lines[1].get_xydata()
    assert np.allclose(drawn, [[one.confidence, one.right] for one in found.bins])
    bars = [segment[:, 1].tolist() for segment in diagram.collections[0].get_segments()]
    assert np.allclose(bars, [one.interval for one in found.bins])
    heights = [[patch.get_height() for patch in group] for group in histogram.containers]
    assert sum(heights[0]) == right.sum() and sum(heights[1]) == (~right).sum()
    assert np.allclose(curve.lines[0].get_xdata(), reject_curve(values, right).answered)
    reached = [level for level in reject_curve(values, right).levels() if level.threshold is not None]
    assert len(curve.texts) == len(reached) >= 1


def test_words_stay_on_the_chart_and_nothing_goes_beyond_all(fitted):
    figure = confidence_figure(fitted, answers(700, seed=2))
    FigureCanvasAgg(figure).draw()
    chart = figure.axes[2]
    frame = chart.get_window_extent()
    for words in chart.texts:
        told = words.get_window_extent()
        assert frame.x0 <= told.x0 and told.x1 <= frame.x1 and told.y0 >= frame.y0
    assert chart.get_xlim() == (0, 1) and chart.get_ylim()[1] == 1


@pytest.mark.parametrize("x, inside", [(0.05, "left"), (0.49, "left"), (0.5, "right"), (1.0, "right")])
def test_a_label_stands_on_the_side_with_room(x, inside):
    axes = new_figure(4.0, 4.0).add_subplot()
    _label(axes, "95 % right", x, 0.9)
    assert axes.texts[0].get_horizontalalignment() == inside


def test_it_says_where_it_is_no_test(fitted):
    assert "fitted on these queries" in confidence_figure(fitted, answers(600, seed=1)).get_suptitle()
    assert "fitted" not in confidence_figure(fitted, answers(600, seed=2)).get_suptitle()
    with pytest.raises(DataError, match="no ground truth"):
        confidence_figure(fitted, answers(600, recalls={}))
