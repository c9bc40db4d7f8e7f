"""The plan of a city: a grid of streets, the blocks between them and the places where photos are taken.

Local coordinates are metres, x to the right and y up; directions are degrees clockwise from the y axis.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from vprkit.data.city.randomness import between, chance, generator, pick

MIN_PITCH, MAX_PITCH = 100.0, 136.0  # metres between parallel streets; 100 keeps places 60 m apart
_SHIFT = 5.0  # metres a place may lie off the middle of its street segment
REACH = 150.0  # metres that can be seen


@dataclass(frozen=True)
class Street:
    """One straight street: its centre line and cross section in metres."""

    number: int
    vertical: bool  # along y, at x = centre; else along x, at y = centre
    centre: float
    half: float  # centre line to facade line
    pavement: float  # width of each sidewalk
    parking: bool
    tree: str  # kind of tree along the kerb, "" for none
    spacing: float  # metres between trees
    lamp: str
    surface: str
    marking: str
    lamp_gap: float

    @property
    def kerb(self) -> float:
        """Centre line to kerb, metres."""
        return self.half - self.pavement

    @property
    def bearing(self) -> float:
        """Direction of increasing coordinate, degrees clockwise from the y axis."""
        return 0.0 if self.vertical else 90.0


@dataclass(frozen=True)
class Place:
    """A spot in the middle of a street, at least 60 m from every other."""

    number: int
    x: float
    y: float
    street: Street
    segment: int  # which stretch of its street, between two crossings


class CityPlan:
    """Streets, blocks and places of one city, from its seed alone."""

    def __init__(self, seed: int, places: int) -> None:
        self.seed = seed
        self.cells = _cells_for(places)
        rng = generator(seed, "plan")
        self.xs = _street_lines(rng, self.cells)
        self.ys = _street_lines(rng, self.cells)
        self.vertical = [_street(seed, i, True, float(x)) for i, x in enumerate(self.xs)]
        self.horizontal = [_street(seed, j, False, float(y)) for j, y in enumerate(self.ys)]
        self._wanted = places

    @cached_property
    def places(self) -> list[Place]:
        """The places, ordered from west to east so that neighbours in the list are neighbours in the city."""
        spots = []
        for streets, across in ((self.vertical, self.ys), (self.horizontal, self.xs)):
            for street in streets:
                for segment in range(len(across) - 1):
                    rng = generator(self.seed, "place", int(street.vertical), street.number, segment)
                    middle = float(across[segment] + across[segment + 1]) / 2 + between(rng, -_SHIFT, _SHIFT)
                    x, y = (street.centre, middle) if street.vertical else (middle, street.centre)
                    spots.append((x, y, street, segment))
        kept = generator(self.seed, "choose").permutation(len(spots))[: self._wanted]
        chosen = sorted((spots[int(i)] for i in kept), key=lambda spot: (round(spot[0], 3), spot[1]))
        return [Place(number, *spot) for number, spot in enumerate(chosen)]

    def block(self, i: int, j: int) -> tuple[float, float, float, float] | None:
        """Rectangle (x0, y0, x1, y1) between streets i-1 and i, j-1 and j; None outside the city.

        Blocks run from 0 to `cells + 1`: the outermost close the view at the edge of the city.
        """
        n = self.cells
        if not (0 <= i <= n + 1 and 0 <= j <= n + 1):
            return None
        x0, x1 = self._span(self.xs, self.vertical, i)
        y0, y1 = self._span(self.ys, self.horizontal, j)
        return x0, y0, x1, y1

    def _span(
        self, lines: "np.ndarray[tuple[int], np.dtype[np.float64]]", streets: list[Street], i: int
    ) -> tuple[float, float]:
        low = float(lines[i - 1]) + streets[i - 1].half if i > 0 else float(lines[0]) - 90
        high = float(lines[i]) - streets[i].half if i < len(lines) else float(lines[-1]) + 90
        return low, high

    def blocks_near(self, x: float, y: float, reach: float) -> list[tuple[int, int]]:
        """Blocks with any part within `reach` metres (as a square) of a point."""
        columns = _touching(self.xs, x, reach)
        rows = _touching(self.ys, y, reach)
        return [(i, j) for i in columns for j in rows]


def _cells_for(places: int) -> int:
    """The smallest square grid whose street segments outnumber the places by a fifth."""
    cells = 2
    while 2 * cells * (cells + 1) < 1.2 * places:
        cells += 1
    return cells


def _street_lines(rng: np.random.Generator, cells: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.concatenate([[0.0], np.cumsum(rng.uniform(MIN_PITCH, MAX_PITCH, cells))])


def _touching(lines: "np.ndarray[tuple[int], np.dtype[np.float64]]", at: float, reach: float) -> range:
    first = int(np.searchsorted(lines, at - reach))
    last = int(np.searchsorted(lines, at + reach))
    return range(first, last + 1)


def _street(seed: int, number: int, vertical: bool, centre: float) -> Street:
    rng = generator(seed, "street", int(vertical), number)
    half = pick(rng, (6.0, 7.0, 7.5, 8.5, 9.5, 11.0))
    parking = half >= 7 and chance(rng, 0.8)
    return Street(
        number=number,
        vertical=vertical,
        centre=centre,
        half=half,
        pavement=2.2 + 0.14 * half if half < 9 else 3.8,
        parking=parking,
        tree=pick(rng, ("", "", "round", "round", "poplar", "small", "conifer")) if half >= 7 else "",
        spacing=between(rng, 9, 17),
        lamp=pick(rng, ("arm", "globe", "lantern", "double")),
        surface=pick(rng, ("asphalt", "asphalt", "asphalt", "dark asphalt", "cobbles")),
        marking=pick(rng, ("dashed", "dashed", "solid", "double", "none")),
        lamp_gap=between(rng, 21, 30),
    )


def dress(seed: int, street: Street, number: int) -> Street:
    """The street as it looks on one stretch between two crossings: trees, surface, markings and lamps change."""
    rng = generator(seed, "dress", int(street.vertical), street.number, number)
    if chance(rng, 0.2):
        return street
    return replace(
        street,
        tree=pick(rng, ("", "", "", "round", "poplar", "small", "conifer")) if street.half >= 7 else "",
        spacing=between(rng, 9, 22),
        lamp=pick(rng, ("arm", "globe", "lantern", "double")),
        lamp_gap=between(rng, 21, 30),
        surface=pick(rng, ("asphalt", "asphalt", "dark asphalt", "cobbles", "pale asphalt")),
        marking=pick(rng, ("dashed", "solid", "double", "none")),
    )


def rotate(x: float, y: float, degrees: float) -> tuple[float, float]:
    """Turn a vector counter-clockwise."""
    angle = math.radians(degrees)
    return x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
