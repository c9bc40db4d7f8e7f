"""Places on a plane as SVG text: right and wrong answers, north up, with a scale bar."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vprkit.report.markup import Html, element
from vprkit.report.svg import Point, nice_step, words_at
from vprkit.report.words import metres

CROWD = 250
"""A map of more marks draws them smaller and their lines fainter."""


@dataclass(frozen=True)
class Mark:
    """A place on a map, in metres; `kind` is right, wrong or plain, `to` the place that was answered."""

    x: float
    y: float
    kind: str
    title: str
    to: Point | None = None


def place_map(
    marks: Sequence[Mark], background: Sequence[Point], title: str, under: Callable[["Plane"], Html] | None = None
) -> Html:
    """Marks on a plane, north up, with a scale bar; wrong answers are joined to the place that was answered.

    Args:
        marks: places, in metres.
        background: places without a meaning of their own.
        title: what the map shows.
        under: draws what lies below everything, such as street tiles.
    """
    plane = Plane.around([(mark.x, mark.y) for mark in marks] + [mark.to for mark in marks if mark.to] + [*background])
    dots = "".join("M{:.1f} {:.1f}h0".format(*plane.at(point)) for point in background)
    order = {"plain": 0, "right": 1, "wrong": 2}
    drawn = sorted(marks, key=lambda mark: order.get(mark.kind, 0))
    size = min(1.0, max(0.4, (CROWD / max(1, len(marks))) ** 0.5))
    return element(
        "svg",
        element("title", title),
        under(plane) if under is not None else "",
        element("path", d=dots or "M0 0", class_="places", **_dots("#9aa0a6")),
        *(_answer(mark, mark.to, plane, size) for mark in drawn if mark.to),
        *(_mark(mark, plane, size) for mark in drawn),
        *_scale_bar(plane),
        *_north(),
        viewBox=f"0 0 {Plane.WIDTH} {plane.height:.0f}",
        class_="map",
        role="img",
        aria_label=title,
    )


def _dots(colour: str) -> dict[str, object]:
    return {"fill": "none", "stroke": colour, "stroke_width": 4, "stroke_linecap": "round", "stroke_opacity": 0.45}


@dataclass(frozen=True)
class Plane:
    """From metres to the viewBox of a map: one scale for both directions.

    Attributes:
        left, top: metres of the corner.
        scale: units of the viewBox per metre.
        height: of the viewBox.
    """

    left: float
    top: float
    scale: float
    height: float

    WIDTH = 720
    MARGIN = 34
    LEAST_METRES = 40.0

    @classmethod
    def around(cls, points: Sequence[Point]) -> "Plane":
        xs, ys = zip(*points, strict=True) if points else ((0.0,), (0.0,))
        wide, high = max(max(xs) - min(xs), cls.LEAST_METRES), max(max(ys) - min(ys), cls.LEAST_METRES)
        inner = cls.WIDTH - 2 * cls.MARGIN
        height = min(620.0, max(300.0, inner * high / wide + 2 * cls.MARGIN + 30))
        scale = min(inner / wide, (height - 2 * cls.MARGIN - 30) / high)
        centre = ((max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2)
        return cls(centre[0] - cls.WIDTH / 2 / scale, centre[1] + (height - 30) / 2 / scale, scale, height)

    def at(self, point: Point) -> Point:
        """Where a place lies in the viewBox."""
        return (point[0] - self.left) * self.scale, (self.top - point[1]) * self.scale

    def metres(self, point: Point) -> Point:
        """The place at a point of the viewBox."""
        return self.left + point[0] / self.scale, self.top - point[1] / self.scale


def _answer(mark: Mark, to: Point, plane: Plane, size: float) -> Html:
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


def _mark(mark: Mark, plane: Plane, size: float) -> Html:
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


def _scale_bar(plane: Plane) -> list[Html]:
    length = nice_step(plane.WIDTH / 5 / plane.scale / 2.5)
    left, low, wide = 16.0, plane.height - 14, length * plane.scale
    bar = f"M{left:.1f} {low - 5:.1f}v5h{wide:.1f}v-5"
    return [
        element("path", d=bar, fill="none", stroke="currentColor", stroke_width=1.6),
        words_at(metres(length).replace(".0 ", " "), left + wide + 8, low, "start"),
    ]


def _north() -> list[Html]:
    return [element("path", d="M700 12l5 16l-5 -4l-5 4z", fill="currentColor"), words_at("N", 700, 42, "middle")]
