"""Everything that stands still around a spot: walls, trees, lamps, street furniture, ground, heights."""

from dataclasses import dataclass

import numpy as np

from vprkit.data.city.blocks import DEPTH, Block, BlockStore, Face
from vprkit.data.city.ground import ground_at, paint_ground, segments
from vprkit.data.city.plan import REACH, CityPlan, Street, dress
from vprkit.data.city.randomness import chance, generator, pick
from vprkit.data.city.raster import Quads
from vprkit.data.city.sprites import LAMPS, SIZES, TREES
from vprkit.data.city.textures import F32, Texture

HEIGHTS = 120.0  # metres from the centre to each side of the height map, one cell per metre
_FURNITURE = ("sign", "sign", "mailbox", "column", "bollard", "bollard", "bin", "shelter", "phone box")

_INWARD = ((-DEPTH, 0.0), (0.0, -DEPTH), (DEPTH, 0.0), (0.0, DEPTH))  # from the street side to the back, by facing


@dataclass(frozen=True)
class Board:
    """A thing that always faces the camera."""

    x: float
    y: float
    kind: str
    variant: int


@dataclass(frozen=True)
class Surroundings:
    """What can be seen from anywhere near (x, y)."""

    x: float
    y: float
    quads: Quads
    faces: tuple[Face, ...]
    boards: tuple[Board, ...]
    lamps: tuple[Board, ...]
    ground: Texture
    heights: F32  # (2 HEIGHTS, 2 HEIGHTS), row 0 at low y, metres
    stretches: tuple[tuple[Street, float, float, int], ...]  # street, first and last coordinate, number


def survey(plan: CityPlan, store: BlockStore, x: float, y: float) -> Surroundings:
    """Collect the surroundings of a point (rounded to whole metres)."""
    x, y = ground_at(x, y)
    blocks = [store.get(i, j) for i, j in plan.blocks_near(x, y, REACH)]
    found = [block for block in blocks if block is not None]
    stretches = tuple(_stretches(plan, x, y))
    boards = [Board(*tree) for block in found for tree in block.trees]
    for stretch in stretches:
        boards += _line_street(plan.seed, *stretch)
    boards = [b for b in boards if abs(b.x - x) < REACH and abs(b.y - y) < REACH]
    parks = [block.bounds for block in found if block.park]
    return Surroundings(
        x,
        y,
        _join([block.quads for block in found]),
        tuple(face for block in found for face in block.faces),
        tuple(b for b in boards if b.kind not in LAMPS),
        tuple(b for b in boards if b.kind in LAMPS),
        paint_ground(plan, x, y, parks),
        _heights(x, y, found, boards),
        stretches,
    )


def _join(parts: list[Quads]) -> Quads:
    return Quads(
        np.concatenate([p.left for p in parts]),
        np.concatenate([p.right for p in parts]),
        np.concatenate([p.bottom for p in parts]),
        np.concatenate([p.top for p in parts]),
        np.concatenate([p.solid for p in parts]),
        np.concatenate([p.facing for p in parts]),
    )


def _stretches(plan: CityPlan, x: float, y: float) -> list[tuple[Street, float, float, int]]:
    """The pieces of street within reach."""
    found = []
    for street in (*plan.vertical, *plan.horizontal):
        off, along = (x, y) if street.vertical else (y, x)
        if abs(street.centre - off) < REACH:
            for start, stop, number in segments(plan, street):
                if start < along + REACH and stop > along - REACH:
                    found.append((dress(plan.seed, street, number), start, stop, number))
    return found


def on_street(street: Street, across: float, along: float) -> tuple[float, float]:
    """Local coordinates of a point `across` metres off the centre line at coordinate `along`."""
    return (street.centre + across, along) if street.vertical else (along, street.centre + across)


def _line_street(seed: int, street: Street, start: float, stop: float, number: int) -> list[Board]:
    """Trees, lamps and furniture along one stretch."""
    rng = generator(seed, "furniture", int(street.vertical), street.number, number)
    boards = []
    edge = street.kerb + 0.6
    for side in (-1, 1):
        if street.tree:
            for s in np.arange(start + 5, stop - 3, street.spacing):
                along = float(s) + float(rng.normal(0, 0.5))
                if not chance(rng, 0.2):
                    variant = street.number % 5 + 5 * int(rng.integers(4))
                    boards.append(Board(*on_street(street, side * edge, along), street.tree, variant))
        offset = 4.0 if side < 0 else 4.0 + street.lamp_gap / 2
        for s in np.arange(start + offset, stop - 2, street.lamp_gap):
            x, y = on_street(street, side * (street.kerb + 0.35), float(s) + 1.3)
            boards.append(Board(x, y, street.lamp, 0))
    for _ in range(int(rng.integers(4, 10))):
        kind = pick(rng, _FURNITURE)
        side = pick(rng, (-1, 1))
        depth = street.half - 1.0 if kind in ("shelter", "phone box") else street.kerb + 0.5
        along = start + 2 + float(rng.random()) * (stop - start - 4)
        boards.append(Board(*on_street(street, side * depth, along), kind, int(rng.integers(8))))
    return boards


def _heights(x: float, y: float, blocks: list[Block], boards: list[Board]) -> F32:
    """What casts shadows: houses and trees."""
    side = int(2 * HEIGHTS)
    heights: F32 = np.zeros((side, side), np.float32)
    for block in blocks:
        fronts = [n for n, face in enumerate(block.faces) if face.side == "front"]
        for n in fronts:
            (ax, ay), (bx, by) = block.quads.left[n], block.quads.right[n]
            dx, dy = _INWARD[int(block.quads.facing[n])]
            columns = _cells(min(ax, bx, ax + dx), max(ax, bx, ax + dx), x, side)
            rows = _cells(min(ay, by, ay + dy), max(ay, by, ay + dy), y, side)
            heights[rows, columns] = np.maximum(heights[rows, columns], block.faces[n].house.eaves + 0.8)
    for board in boards:
        if board.kind in TREES and board.kind != "bush":
            wide, tall = SIZES[board.kind]
            rows = _cells(board.y - wide * 0.35, board.y + wide * 0.35, y, side)
            columns = _cells(board.x - wide * 0.35, board.x + wide * 0.35, x, side)
            heights[rows, columns] = np.maximum(heights[rows, columns], tall * 0.9)
    return heights


def _cells(low: float, high: float, centre: float, side: int) -> slice:
    first = max(0, min(side, round(float(low) - centre + HEIGHTS)))
    return slice(first, max(first, min(side, round(float(high) - centre + HEIGHTS))))
