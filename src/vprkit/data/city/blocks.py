"""Blocks of houses as upright quads, built when first seen and kept while they are near."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from vprkit.data.city import facade
from vprkit.data.city.houses import House, make_house
from vprkit.data.city.plan import CityPlan
from vprkit.data.city.randomness import between, chance, generator, pick
from vprkit.data.city.raster import Quads
from vprkit.data.city.textures import Texture

DEPTH = 11.0  # metres from the street side of a house to its back
_PARKS = 0.1  # share of blocks that are parks
Side = Literal["front", "corner", "plain", "back"]


@dataclass(frozen=True)
class Face:
    """One wall of one house."""

    house: House
    side: Side
    width: float

    def paint(self, density: float) -> Texture:
        """Its texture."""
        if self.side == "front":
            return facade.paint_front(self.house, density)
        if self.side == "corner":
            return facade.paint_corner(self.house, self.width, density)
        return facade.paint_plain(self.house, self.width, min(density, 10.0), self.side == "back")


@dataclass(frozen=True)
class Block:
    """All walls of a block, and the trees behind its walls or in its park."""

    quads: Quads
    faces: tuple[Face, ...]
    trees: tuple[tuple[float, float, str, int], ...]  # x, y, kind, variant
    park: bool
    bounds: tuple[float, float, float, float]


_EDGES = ((0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0))  # outward normals: south, east, north, west
_FACING = {(1.0, 0.0): 0, (0.0, 1.0): 1, (-1.0, 0.0): 2, (0.0, -1.0): 3}


class _Walls:
    """Collects quads and the faces they show."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, float, float, float, float, float, int]] = []
        self.faces: list[Face] = []

    def add(
        self,
        face: Face,
        left: tuple[float, float],
        right: tuple[float, float],
        normal: tuple[float, float],
        top: float,
        solid: float,
    ) -> None:
        self.rows.append((*left, *right, top, solid, _FACING[normal]))
        self.faces.append(face)

    def quads(self) -> Quads:
        table = np.array(self.rows, np.float32).reshape(-1, 7)
        zeros = np.zeros(len(table), np.float32)
        return Quads(table[:, :2], table[:, 2:4], zeros, table[:, 4], table[:, 5], table[:, 6].astype(np.uint8))


def build_block(plan: CityPlan, i: int, j: int) -> Block | None:
    """The block between streets i-1 and i, j-1 and j; None outside the city."""
    bounds = plan.block(i, j)
    if bounds is None:
        return None
    district = int(generator(plan.seed, "district", i // 2, j // 2).integers(1 << 16))
    rng = generator(plan.seed, "block", i, j)
    inner = 0 < i <= plan.cells and 0 < j <= plan.cells
    if inner and chance(rng, _PARKS):
        return _park(rng, bounds)
    walls, trees = _Walls(), list[tuple[float, float, str, int]]()
    for edge in range(4):
        _build_edge(plan.seed, (i, j, edge), bounds, district, walls, trees)
    return Block(walls.quads(), tuple(walls.faces), tuple(trees), False, bounds)


def _park(rng: np.random.Generator, bounds: tuple[float, float, float, float]) -> Block:
    """Trees and bushes on a lawn."""
    x0, y0, x1, y1 = bounds
    trees = []
    for _ in range(int(rng.integers(26, 46))):
        x, y = between(rng, x0 + 2, x1 - 2), between(rng, y0 + 2, y1 - 2)
        kind = ("round", "round", "conifer", "poplar", "bush", "bush", "small")[int(rng.integers(7))]
        trees.append((x, y, kind, int(rng.integers(20))))
    return Block(_Walls().quads(), (), tuple(trees), True, bounds)


def _build_edge(
    seed: int,
    key: tuple[int, int, int],
    bounds: tuple[float, float, float, float],
    district: int,
    walls: _Walls,
    trees: list[tuple[float, float, str, int]],
) -> None:
    """The row of houses along one side of a block, the first of them at the corner."""
    x0, y0, x1, y1 = bounds
    normal = _EDGES[key[2]]
    run = (-normal[1], normal[0])
    start = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))[key[2]]
    length = (x1 - x0 if normal[0] == 0 else y1 - y0) - DEPTH
    rng = generator(seed, "edge", *key)
    widths = _widths(rng, length)
    lift, tone = pick(rng, (-2, -1, -1, 0, 0, 1, 2, 3)), between(rng, 0.7, 1.15)
    houses = [_in_row(make_house(seed, (*key, n), width, district), lift, tone) for n, width in enumerate(widths)]
    houses[0] = replace(houses[0], roof=_corner_roof(houses[0]), roof_height=min(houses[0].roof_height, 3.0))
    setbacks = [0.0 if n == 0 or chance(rng, 0.6) else between(rng, 0.4, 1.8) for n in range(len(houses))]
    gaps = [0 < n < len(houses) - 1 and chance(rng, 0.08) for n in range(len(houses))]
    at = 0.0
    for n, house in enumerate(houses):
        if gaps[n]:
            house = replace(house, storeys=1, base=2.4, roof="parapet", roof_height=0.0)
            middle, inward = at + house.width / 2, setbacks[n] + 3.5
            tree = (start[0] + run[0] * middle - normal[0] * inward, start[1] + run[1] * middle - normal[1] * inward)
            trees.append((*tree, "round" if house.detail % 2 else "poplar", house.detail % 20))
        left = _point(start, run, normal, at, setbacks[n])
        right = _point(start, run, normal, at + house.width, setbacks[n])
        _add_house(walls, house, left, right, run, normal, corner=n == 0, wall=gaps[n])
        at += house.width


def _in_row(house: House, lift: int, tone: float) -> House:
    """Rows have a character of their own: low or tall, sooty or freshly painted."""
    return replace(house, storeys=max(1, min(11, house.storeys + lift)), tint=house.tint * tone)


def _corner_roof(house: House) -> str:
    return "mansard" if house.roof in ("gable", "stepped") else house.roof


def _point(
    start: tuple[float, float], run: tuple[float, float], normal: tuple[float, float], at: float, back: float
) -> tuple[float, float]:
    return start[0] + run[0] * at - normal[0] * back, start[1] + run[1] * at - normal[1] * back


def _widths(rng: np.random.Generator, length: float) -> list[float]:
    """Widths that fill the length: a corner house, then narrow and broad ones."""
    widths = [between(rng, 9, 13)]
    while length - sum(widths) > 18:
        widths.append(between(rng, 5.5, 10) if chance(rng, 0.6) else between(rng, 10, 16))
    rest = length - sum(widths)
    return [*widths, rest / 2, rest / 2] if rest > 13 else [*widths, rest]


def _add_house(
    walls: _Walls,
    house: House,
    left: tuple[float, float],
    right: tuple[float, float],
    run: tuple[float, float],
    normal: tuple[float, float],
    corner: bool,
    wall: bool,
) -> None:
    """Street side, both flanks and the back of one house."""
    front: Side = "plain" if wall else "front"
    solid = house.eaves if house.roof in ("gable", "stepped") else house.height
    walls.add(Face(house, front, house.width), left, right, normal, house.height, solid)
    depth = 0.4 if wall else DEPTH
    back_left = (left[0] - normal[0] * depth, left[1] - normal[1] * depth)
    back_right = (right[0] - normal[0] * depth, right[1] - normal[1] * depth)
    top = facade.flank_height(house)
    flank: Side = "corner" if corner else "plain"
    side_top = house.height if corner else top
    walls.add(Face(house, flank, depth), back_left, left, (-run[0], -run[1]), side_top, side_top)
    walls.add(Face(house, "plain", depth), right, back_right, run, top, top)
    if not wall:
        away = (-normal[0], -normal[1])
        walls.add(Face(house, "back", house.width), back_right, back_left, away, top, top)


class BlockStore:
    """The blocks seen last, built from the plan on demand."""

    def __init__(self, plan: CityPlan, limit: int = 64) -> None:
        self._plan, self._limit = plan, limit
        self._blocks: OrderedDict[tuple[int, int], Block | None] = OrderedDict()

    def get(self, i: int, j: int) -> Block | None:
        """The block (i, j), None outside the city."""
        if (i, j) not in self._blocks:
            self._blocks[i, j] = build_block(self._plan, i, j)
            if len(self._blocks) > self._limit:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end((i, j))
        return self._blocks[i, j]
