"""Line charts and maps as SVG text: pure functions, no styling beyond colours that a page's CSS may replace."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vprkit.report.markup import Html, element
from vprkit.report.words import metres

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#3aa5d8")
"""Told apart by colour-blind readers too (Okabe and Ito); dashes and markers differ besides."""
DASHES = (None, "7 4", "2 3", "10 3 2 3", "12 4", "4 4")

CROWD = 250
"""A map of more marks draws them smaller and their lines fainter."""

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
    """One line of a chart; `band` holds (x, low, high)."""

    label: str
    points: Sequence[Point]
    band: Sequence[tuple[float, float, float]] = ()
    markers: bool = False


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


@dataclass(frozen=True)
class Mark:
    """A place on a map, in metres; `kind` is right, wrong or plain, `to` the place that was answered."""

    x: float
    y: float
    kind: str
    title: str
    to: Point | None = None


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


def line_chart(series: Sequence[Series], x: Axis, y: Axis, title: str) -> Html:
    """A chart of lines; points that are not finite are left out."""
    frame = _Frame(x, y)
    lines = (_line(one, number, frame) for number, one in enumerate(series))
    return element(
        "svg",
        element("title", title),
        *_grid(frame),
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


def place_map(marks: Sequence[Mark], background: Sequence[Point], title: str) -> Html:
    """Marks on a plane, north up, with a scale bar; wrong answers are joined to the place that was answered."""
    plane = _Plane.around([(mark.x, mark.y) for mark in marks] + [mark.to for mark in marks if mark.to] + [*background])
    dots = "".join("M{:.1f} {:.1f}h0".format(*plane.at(point)) for point in background)
    order = {"plain": 0, "right": 1, "wrong": 2}
    drawn = sorted(marks, key=lambda mark: order.get(mark.kind, 0))
    size = min(1.0, max(0.4, (CROWD / max(1, len(marks))) ** 0.5))
    return element(
        "svg",
        element("title", title),
        element("path", d=dots or "M0 0", class_="places", **_dots("#9aa0a6")),
        *(_answer(mark, mark.to, plane, size) for mark in drawn if mark.to),
        *(_mark(mark, plane, size) for mark in drawn),
        *_scale_bar(plane),
        *_north(),
        viewBox=f"0 0 {_Plane.WIDTH} {plane.height:.0f}",
        class_="map",
        role="img",
        aria_label=title,
    )


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
            _words(f"{tick:g}", frame.LEFT - 7, height + 4, "end"),
        ]
    for tick in frame.x.ticks:
        across = frame.at((tick, frame.y.low))[0]
        parts += [
            element("line", x1=across, y1=bottom, x2=across, y2=bottom + 5, class_="axis", stroke="#888"),
            _words(f"{tick:g}", across, bottom + 19, "middle"),
        ]
    parts.append(element("line", x1=frame.LEFT, y1=bottom, x2=right, y2=bottom, class_="axis", stroke="#888"))
    middle = (frame.TOP + bottom) / 2
    return [
        *parts,
        _words(frame.x.label, (frame.LEFT + right) / 2, frame.HEIGHT - 6, "middle"),
        _words(frame.y.label, 12, middle, "middle", transform=f"rotate(-90 12 {middle:g})"),
    ]


def _line(one: Series, number: int, frame: _Frame) -> Html:
    places = [frame.at(point) for point in one.points if all(map(math.isfinite, point))]
    band = [row for row in one.band if all(map(math.isfinite, row))]
    parts: list[Html] = []
    if len(band) > 1:
        edge = [frame.at((x, low)) for x, low, _ in band] + [frame.at((x, high)) for x, _, high in reversed(band)]
        parts.append(element("polygon", points=_joined(edge), fill=_colour(number), fill_opacity=0.13))
    if len(places) > 1:
        parts.append(element("polyline", points=_joined(places), **_stroke(number)))
    if one.markers or len(places) == 1:
        parts += [_marker(*place, number) for place in places]
    return element("g", element("title", one.label), *parts)


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


def _dots(colour: str) -> dict[str, object]:
    return {"fill": "none", "stroke": colour, "stroke_width": 4, "stroke_linecap": "round", "stroke_opacity": 0.45}


def _words(words: str, x: float, y: float, anchor: str, **more: object) -> Html:
    return element("text", words, x=x, y=y, text_anchor=anchor, font_size=13, fill="currentColor", **more)


@dataclass(frozen=True)
class _Plane:
    """From metres to the viewBox of a map: one scale for both directions."""

    left: float
    top: float
    scale: float
    height: float

    WIDTH = 720
    MARGIN = 34
    LEAST_METRES = 40.0

    @classmethod
    def around(cls, points: Sequence[Point]) -> "_Plane":
        xs, ys = zip(*points, strict=True) if points else ((0.0,), (0.0,))
        wide, high = max(max(xs) - min(xs), cls.LEAST_METRES), max(max(ys) - min(ys), cls.LEAST_METRES)
        inner = cls.WIDTH - 2 * cls.MARGIN
        height = min(620.0, max(300.0, inner * high / wide + 2 * cls.MARGIN + 30))
        scale = min(inner / wide, (height - 2 * cls.MARGIN - 30) / high)
        centre = ((max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2)
        return cls(centre[0] - cls.WIDTH / 2 / scale, centre[1] + (height - 30) / 2 / scale, scale, height)

    def at(self, point: Point) -> Point:
        return (point[0] - self.left) * self.scale, (self.top - point[1]) * self.scale


def _answer(mark: Mark, to: Point, plane: _Plane, size: float) -> Html:
    (x1, y1), (x2, y2) = plane.at((mark.x, mark.y)), plane.at(to)
    colour = "var(--wrong,#d55e00)"
    line = element(
        "line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour, stroke_width=1.2 * size, stroke_opacity=0.55 * size * size
    )
    half = 5.5 * size
    box = element(
        "rect",
        x=x2 - half,
        y=y2 - half,
        width=2 * half,
        height=2 * half,
        fill="none",
        stroke=colour,
        stroke_width=1.4 * size,
        stroke_opacity=size,
    )
    return element("g", line, box)


def _mark(mark: Mark, plane: _Plane, size: float) -> Html:
    """A disc for right, a cross for wrong, a ring where nobody knows."""
    x, y = plane.at((mark.x, mark.y))
    title = element("title", mark.title)
    if mark.kind == "wrong":
        arm = 4.5 * size
        far = f"{2 * arm:.1f}"
        cross = f"M{x - arm:.1f} {y - arm:.1f}l{far} {far}m0 -{far}l-{far} {far}"
        return element(
            "path",
            title,
            d=cross,
            fill="none",
            stroke="var(--wrong,#d55e00)",
            stroke_width=2.6 * size,
            stroke_linecap="round",
        )
    if mark.kind == "right":
        return element("circle", title, cx=x, cy=y, r=4.5 * size, fill="var(--right,#00805d)", fill_opacity=0.85)
    return element(
        "circle", title, cx=x, cy=y, r=4 * size, fill="none", stroke="var(--s0,#0072b2)", stroke_width=2 * size
    )


def _scale_bar(plane: _Plane) -> list[Html]:
    length = nice_step(plane.WIDTH / 5 / plane.scale / 2.5)
    left, low, wide = 16.0, plane.height - 14, length * plane.scale
    bar = f"M{left:.1f} {low - 5:.1f}v5h{wide:.1f}v-5"
    return [
        element("path", d=bar, fill="none", stroke="currentColor", stroke_width=1.6),
        _words(metres(length).replace(".0 ", " "), left + wide + 8, low, "start"),
    ]


def _north() -> list[Html]:
    return [element("path", d="M700 12l5 16l-5 -4l-5 4z", fill="currentColor"), _words("N", 700, 42, "middle")]
