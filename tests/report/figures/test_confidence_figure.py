"""What is drawn is what was counted."""

import numpy as np
import pytest

from tests.evaluation.answers import answers
from vprkit.errors import DataError
from vprkit.evaluation.confidence import fit_confidence, judged, right_answers
from vprkit.evaluation.reliability import reject_curve, reliability
from vprkit.report.figures import confidence_figure


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


def test_it_says_where_it_is_no_test(fitted):
    assert "fitted on these queries" in confidence_figure(fitted, answers(600, seed=1)).get_suptitle()
    assert "fitted" not in confidence_figure(fitted, answers(600, seed=2)).get_suptitle()
    with pytest.raises(DataError, match="no ground truth"):
        confidence_figure(fitted, answers(600, recalls={}))
