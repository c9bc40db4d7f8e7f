"""One shot's scene: still and moving things as quads, drawn into a buffer."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vprkit.data.city import camera as cameras
from vprkit.data.city.blocks import BlockStore, Face
from vprkit.data.city.camera import Camera
from vprkit.data.city.ground import EXTENT
from vprkit.data.city.plan import REACH, CityPlan
from vprkit.data.city.raster import BOARD, GROUND, NEAR, Buffer, Quads, draw, in_sight
from vprkit.data.city.shot import Shot
from vprkit.data.city.sprites import SIZES, sprite
from vprkit.data.city.surroundings import Board, Surroundings, survey
from vprkit.data.city.textures import Texture, TextureCache
from vprkit.data.city.traffic import Car, draw_traffic
from vprkit.data.city.vehicles import MODELS, end, side

Thing = Face | Board | Car
Painter = Callable[[float], Texture]  # from the least distance to a texture fine enough for it


@dataclass(frozen=True)
class Sight:
    """What is seen of one wall, board or car."""

    thing: Thing
    share: float  # of the picture
    start: float  # first and last visible position along it, 0..1
    stop: float
    low: float  # lowest visible height, metres
    where: float  # 0 left edge of the picture to 1 right edge


@dataclass(frozen=True)
class View:
    """What a shot sees: the buffer, and what shows of each thing."""

    camera: Camera
    buffer: Buffer
    around: Surroundings
    cars: list[Car]
    seen: list[Sight]
    oversample: int  # samples per pixel along each side


class City:
    """The plan of a city with everything that is worth keeping between shots."""

    def __init__(self, seed: int, places: int) -> None:
        self.plan = CityPlan(seed, places)
        self._blocks = BlockStore(self.plan)
        self._textures = TextureCache()
        self._around: Surroundings | None = None

    def surroundings(self, x: float, y: float) -> Surroundings:
        """The surroundings of a point; those asked for last are kept."""
        spot = (float(round(x)), float(round(y)))
        if self._around is None or (self._around.x, self._around.y) != spot:
            self._around = survey(self.plan, self._blocks, x, y)
        return self._around

    def view(self, shot: Shot, anchor: tuple[float, float]) -> View:
        """Draw a shot; `anchor` is the spot whose surroundings serve all shots of a place."""
        around = self.surroundings(*anchor)
        camera, density = open_camera(shot)
        buffer = Buffer.empty(camera)
        cars, people = draw_traffic(self.plan.seed, shot, around)
        faces = in_sight(camera, around.quads, REACH)
        bare = shot.condition == "snow"
        walls = [around.faces[int(n)] for n in faces]
        things: list[Thing] = [*walls]
        parts, paints = [around.quads.select(faces)], [self._face_painter(face, density) for face in walls]
        boards = [board for board in (*around.boards, *around.lamps, *people) if _near(shot, board)]
        parts.append(_board_quads(camera, boards))
        things += boards
        paints += [_board_painter(board, bare, density > 20) for board in boards]
        bodies = _car_quads(cars)
        chosen = in_sight(camera, bodies, 60.0)
        parts.append(bodies.select(chosen))
        things += [cars[int(n) // 4] for n in chosen]
        paints += [_car_painter(cars[int(n) // 4], int(n) % 4) for n in chosen]
        quads = Quads(*(np.concatenate([getattr(p, name) for p in parts]) for name in Quads.__dataclass_fields__))
        table = draw(camera, buffer, quads, lambda number, travel: paints[number](travel))
        _draw_ground(camera, buffer, around)
        table[:, 0] /= buffer.texels.size
        seen = [Sight(thing, *map(float, row)) for thing, row in zip(things, table, strict=True) if row[0] > 0]
        return View(camera, buffer, around, cars, seen, 2 if shot.lens == "photo" else 1)

    def _face_painter(self, face: Face, density: float) -> Painter:
        def paint(travel: float) -> Texture:
            # Fewer texels do for what is never near; painting is most of the work at a new place.
            chosen = density if travel < 20 else density / 2 if travel < 55 else density / 4
            key = (face.house.key, face.side, round(face.width, 2), face.house.storeys, chosen)
            return self._textures.get(key, lambda: face.paint(chosen))

        return paint


def open_camera(shot: Shot) -> tuple[Camera, float]:
    """The camera of a shot and the texels per metre that facades need for it."""
    if shot.lens == "photo":
        size = shot.size[0]
        camera = cameras.pinhole(shot.x, shot.y, shot.height, shot.bearing, size, shot.fov, shot.horizon)
        return camera, 16.0 if size <= 320 else 32.0
    columns = None if shot.lens == "panorama" else (shot.column, shot.column + shot.size[1])
    camera = cameras.panorama(
        shot.x, shot.y, shot.height, shot.bearing, shot.size, shot.full_width, columns, shot.horizon
    )
    return camera, 32.0 if shot.full_width > 1600 else 16.0


def _near(shot: Shot, board: Board) -> bool:
    distance = math.hypot(board.x - shot.x, board.y - shot.y)
    return 1.2 + SIZES[board.kind][0] / 4 < distance < (45.0 if SIZES[board.kind][1] < 3 else REACH)


def _board_quads(camera: Camera, boards: list[Board]) -> Quads:
    """Upright quads across the line of sight."""
    table = np.array([(b.x, b.y, *SIZES[b.kind]) for b in boards], np.float32).reshape(-1, 4)
    dx, dy = table[:, 0] - camera.x, table[:, 1] - camera.y
    distance = np.maximum(np.hypot(dx, dy), 1e-3)
    half = table[:, 2] / 2
    across = np.stack([dy / distance * half, -dx / distance * half], axis=1)
    zeros = np.zeros(len(table), np.float32)
    facing = np.full(len(table), BOARD, np.uint8)
    return Quads(table[:, :2] - across, table[:, :2] + across, zeros, table[:, 3], zeros, facing)


def _board_painter(board: Board, bare: bool, fine: bool) -> Painter:
    return lambda _: sprite(board.kind, board.variant, bare, fine)


def _car_quads(cars: list[Car]) -> Quads:
    """The walls of all cars, four each: east, north, west, south."""
    half = [(MODELS[c.model].width / 2, MODELS[c.model].length / 2)[:: 1 if c.vertical else -1] for c in cars]
    table = np.array([(c.x, c.y, *h, MODELS[c.model].height) for c, h in zip(cars, half, strict=True)], np.float32)
    x, y, half_x, half_y, height = table.reshape(-1, 5).T
    x0, x1, y0, y1 = x - half_x, x + half_x, y - half_y, y + half_y
    left = np.stack([x1, y0, x1, y1, x0, y1, x0, y0], axis=1).reshape(-1, 2)
    right = np.stack([x1, y1, x0, y1, x0, y0, x1, y0], axis=1).reshape(-1, 2)
    zeros = np.zeros(len(left), np.float32)
    facing = np.tile(np.arange(4, dtype=np.uint8), len(cars))
    return Quads(left, right, zeros, np.repeat(height, 4), zeros, facing)


def _car_painter(car: Car, wall: int) -> Painter:
    head = (1 if car.forward else 3) if car.vertical else (0 if car.forward else 2)
    turn = (wall - head) % 4
    if turn in (0, 2):
        return lambda _: end(car.model, car.paint, turn == 0)
    # Seen from its left (turn 1) a car points to the left.
    return lambda _: side(car.model, car.paint, turn == 1)


def _draw_ground(camera: Camera, buffer: Buffer, around: Surroundings) -> None:
    """Fill what is left below the horizon."""
    first = int(np.searchsorted(-camera.slopes, 1e-3))
    slopes = camera.slopes[first:]
    if len(slopes) == 0:
        return
    t = camera.height / -slopes
    ground = around.ground
    scale = ground.density
    step = np.abs(np.gradient(t)) if len(t) > 1 else t
    footprint = np.maximum(t / camera.focal, 0.3 * step) * scale
    level = np.clip(np.floor(np.log2(np.maximum(footprint, 1e-3)) + 0.3), 0, len(ground.rows) - 1).astype(np.int32)
    side, start = ground.columns[level], ground.offsets[level]
    per_metre = (side / np.float32(ground.width)).astype(np.float32)
    left, top = camera.x - (around.x - EXTENT), (around.y + EXTENT) - camera.y
    column = ((left + t[:, None] * camera.directions[0]) * per_metre[:, None]).astype(np.int32)
    row = ((top - t[:, None] * camera.directions[1]) * per_metre[:, None]).astype(np.int32)
    edge = (side - 1)[:, None]
    np.clip(column, 0, edge, out=column)
    np.clip(row, 0, edge, out=row)
    row *= side[:, None]
    row += column
    row += start[:, None]
    depth = buffer.depth[first:]
    free = (depth > t[:, None]) & (t[:, None] > NEAR)
    np.copyto(buffer.texels[first:], ground.texels.take(row, mode="clip"), where=free)
    np.copyto(buffer.facing[first:], np.uint8(GROUND), where=free)
    np.copyto(depth, t[:, None].astype(np.float32), where=free)
