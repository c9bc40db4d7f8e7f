"""Charts and maps as SVG."""

import math
import xml.etree.ElementTree as ElementTree

import pytest

from vprkit.report.place_map import Mark, place_map
from vprkit.report.svg import Axis, Series, line_chart, nice_step, nice_ticks, swatch


@pytest.mark.parametrize(("low", "high", "ticks"), [
    (0, 100, [0, 20, 40, 60, 80, 100]),
    (40, 100, [40, 60, 80, 100]),
    (0.13, 0.31, [0.15, 0.2, 0.25, 0.3]),
    (-1, 1, [-1, -0.5, 0, 0.5, 1]),
    (5, 5, [5]),
    (math.nan, 5, []),
])  # fmt: skip
def test_ticks_are_round_and_inside(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("least", "step"), [(1, 1), (1.1, 2), (3, 5), (70, 100), (0.02, 0.02), (6e-4, 1e-3), (9.99, 10)])  # fmt: skip
def test_steps_are_one_two_or_five(least: float, step: float) -> None:
    assert nice_step(least) == pytest.approx(step)


def test_lines_leave_out_what_is_not_finite() -> None:
    axis = Axis("x", 1, 100, [1, 10, 100], log=True)
    points, band = [(1, 1), (10, math.nan), (100, 2)], [(1, 0, 1), (100, 1, 2)]
    series = [Series(f"<{i}>", points, band, markers=True) for i in range(9)]
    chart = ElementTree.fromstring(line_chart(series, axis, Axis("y", 0, 3, nice_ticks(0, 3)), "a & b"))
    lines = [line.get("points", "").split() for line in chart.iter("polyline")]
    assert len(lines) == 9 and all(len(points) == 2 for points in lines)
    assert len({(line.get("stroke"), line.get("stroke-dasharray")) for line in chart.iter("polyline")}) == 9
    assert chart.get("aria-label") == "a & b" and ElementTree.fromstring(swatch(7)) is not None


def test_log_axis_spaces_by_ratio() -> None:
    axis = Axis("K", 1, 100, (), log=True)
    assert axis.at(10) == pytest.approx(0.5) and axis.at(1) == 0 and axis.at(1000) == 1


def test_map_keeps_proportions_and_north_is_up() -> None:
    marks = [Mark(0, 0, "right", "a"), Mark(1000, 0, "right", "b"), Mark(0, 500, "wrong", "c", (1000.0, 0.0))]
    drawn = ElementTree.fromstring(place_map(marks, [(0.0, 0.0)], "map"))
    (ax, ay), (bx, by) = [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in drawn.iter("circle")]
    line = next(iter(drawn.iter("line")))
    assert ay == by and bx > ax and float(line.get("y1", "")) < ay
    assert (ay - float(line.get("y1", ""))) / (bx - ax) == pytest.approx(0.5, abs=0.01)
    assert "100 m" in [text.text for text in drawn.iter("text")]


def test_map_of_one_place_or_none() -> None:
    for marks in ([], [Mark(5.0, 5.0, "plain", "only")]):
        assert ElementTree.fromstring(place_map(marks, [], "map")).tag == "svg"
