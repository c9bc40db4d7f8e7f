"""Line charts as SVG text: pure functions, no styling beyond colours that a page's CSS may replace."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vprkit.report.markup import Html, element

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#3aa5d8")
"""Told apart by colour-blind readers too (Okabe and Ito); dashes and markers differ besides."""
DASHES = (None, "7 4", "2 3", "10 3 2 3", "12 4", "4 4")

Point = tuple[float, float]

_CORNERS: tuple[tuple[Point, ...], ...] = (
    (),
    ((-3.6, -3.6), (3.6, -3.6), (3.6, 3.6), (-3.6, 3.6)),
    ((0, -5), (4.5, 3.5), (-4.5, 3.5)),
    ((0, -5), (5, 0), (0, 5), (-5, 0)),
)
"""Markers: circle, square, triangle, diamond."""


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    Attributes:
        label: what it is.
        points: (x, y).
        band: (x, low, high) of an area behind the line.
        markers: draw the points.
        bars: (x, low, high) of upright lines through the points.
        line: join the points.
    """

    label: str
    points: Sequence[Point]
    band: Sequence[tuple[float, float, float]] = ()
    markers: bool = False
    bars: Sequence[tuple[float, float, float]] = ()
    line: bool = True


@dataclass(frozen=True)
class Axis:
    """Label, range and ticks of an axis; `log` spaces by ratio."""

    label: str
    low: float
    high: float
    ticks: Sequence[float]
    log: bool = False

    def at(self, value: float) -> float:
        """Where a value lies, 0 to 1."""
        low, high, value = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.5


def nice_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """About `wanted` round numbers from `low` to `high`."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    step = nice_step((high - low) / max(1, wanted))
    first = math.ceil(low / step - 1e-9)
    return [round((first + i) * step, 12) for i in range(int((high - first * step) / step + 1e-9) + 1)]


def nice_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is at least `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    steps = (float(f"{factor * power:.6g}") for factor in (1, 2, 5, 10))
    return next(step for step in steps if step >= least * (1 - 1e-5) or step >= 9.9 * power)


def line_chart(series: Sequence[Series], x: Axis, y: Axis, title: str, diagonal: bool = False) -> Html:
    """A chart of lines; points that are not finite are left out. A `diagonal` shows where both axes agree."""
    frame = _Frame(x, y)
    lines = (_line(one, number, frame) for number, one in enumerate(series))
    return element(
        "svg",
        element("title", title),
        *_grid(frame),
        _diagonal(frame) if diagonal else "",
        *lines,
        viewBox=f"0 0 {_Frame.WIDTH} {_Frame.HEIGHT}",
        class_="chart",
        role="img",
        aria_label=title,
    )


def swatch(number: int) -> Html:
    """The line and marker of a series, for a legend."""
    line = element("line", x1=1, y1=6, x2=29, y2=6, **_stroke(number))
    return element("svg", line, _marker(15.0, 6.0, number), viewBox="0 0 30 12", class_="swatch", aria_hidden="true")


class _Frame:
    """From values to the viewBox of a chart."""

    WIDTH, HEIGHT = 460, 310
    LEFT, RIGHT, TOP, BOTTOM = 46, 14, 12, 46

    def __init__(self, x: Axis, y: Axis) -> None:
        self.x, self.y = x, y

    def at(self, point: Point) -> Point:
        return (
            self.LEFT + self.x.at(point[0]) * (self.WIDTH - self.LEFT - self.RIGHT),
            self.HEIGHT - self.BOTTOM - self.y.at(point[1]) * (self.HEIGHT - self.TOP - self.BOTTOM),
        )


def _grid(frame: _Frame) -> list[Html]:
    bottom, right = frame.HEIGHT - frame.BOTTOM, frame.WIDTH - frame.RIGHT
    parts: list[Html] = []
    for tick in frame.y.ticks:
        height = frame.at((frame.x.low, tick))[1]
        parts += [
            element("line", x1=frame.LEFT, y1=height, x2=right, y2=height, class_="grid", stroke="#8886"),
            words_at(f"{tick:g}", frame.LEFT - 7, height + 4, "end"),
        ]
    for tick in frame.x.ticks:
        across = frame.at((tick, frame.y.low))[0]
        parts += [
            element("line", x1=across, y1=bottom, x2=across, y2=bottom + 5, class_="axis", stroke="#888"),
            words_at(f"{tick:g}", across, bottom + 19, "middle"),
        ]
    parts.append(element("line", x1=frame.LEFT, y1=bottom, x2=right, y2=bottom, class_="axis", stroke="#888"))
    middle = (frame.TOP + bottom) / 2
    return [
        *parts,
        words_at(frame.x.label, (frame.LEFT + right) / 2, frame.HEIGHT - 6, "middle"),
        words_at(frame.y.label, 12, middle, "middle", transform=f"rotate(-90 12 {middle:g})"),
    ]


def _line(one: Series, number: int, frame: _Frame) -> Html:
    places = [frame.at(point) for point in one.points if all(map(math.isfinite, point))]
    band = [row for row in one.band if all(map(math.isfinite, row))]
    parts: list[Html] = []
    if len(band) > 1:
        edge = [frame.at((x, low)) for x, low, _ in band] + [frame.at((x, high)) for x, _, high in reversed(band)]
        parts.append(element("polygon", points=_joined(edge), fill=_colour(number), fill_opacity=0.13))
    for x, low, high in one.bars:
        (across, bottom), (_, top) = frame.at((x, low)), frame.at((x, high))
        parts.append(element("line", x1=across, y1=bottom, x2=across, y2=top, stroke=_colour(number), stroke_width=1.4))
    if len(places) > 1 and one.line:
        parts.append(element("polyline", points=_joined(places), **_stroke(number)))
    if one.markers or len(places) == 1:
        parts += [_marker(*place, number) for place in places]
    return element("g", element("title", one.label), *parts)


def _diagonal(frame: _Frame) -> Html:
    (x1, y1), (x2, y2) = frame.at((frame.x.low, frame.y.low)), frame.at((frame.x.high, frame.y.high))
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="axis", stroke="#888", stroke_dasharray="3 4")


def _marker(x: float, y: float, number: int) -> Html:
    """Of another shape per series, by turns."""
    corners = _CORNERS[number % len(_CORNERS)]
    if not corners:
        return element("circle", cx=x, cy=y, r=4, fill=_colour(number))
    return element("polygon", points=_joined([(x + dx, y + dy) for dx, dy in corners]), fill=_colour(number))


def _joined(points: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _colour(number: int) -> str:
    place = number % len(COLOURS)
    return f"var(--s{place},{COLOURS[place]})"


def _stroke(number: int) -> dict[str, object]:
    dash = DASHES[(number + number // len(COLOURS)) % len(DASHES)]
    return {
        "fill": "none",
        "stroke": _colour(number),
        "stroke_width": 2.2,
        "stroke_dasharray": dash,
        "stroke_linejoin": "round",
    }


def words_at(words: str, x: float, y: float, anchor: str, **more: object) -> Html:
    """Text that begins, ends or has its middle at a place."""
    return element("text", words, x=x, y=y, text_anchor=anchor, font_size=13, fill="currentColor", **more)
