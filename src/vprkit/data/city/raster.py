"""The renderer's core: upright textured quads, depth-tested, into a buffer of texels.

Every thing that stands (facades, cars, trees, people) is an upright quad over a segment on the ground. All columns are
intersected with all segments at once; each visible quad is then drawn as one rectangle of texture look-ups.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vprkit.data.city.camera import Camera
from vprkit.data.city.textures import F32, I32, U8, U32, Texture

NEAR = 0.35  # metres (per unit of travel) closer than which nothing is drawn
_GLIMPSE = 0.002  # share of the picture below which nobody asks which part of a thing is seen
_NOTHING = (0.0, 0.0, 0.0, 0.0, 0.0)
GROUND, BOARD = 4, 5  # values of `facing` beside the four wall directions east, north, west, south = 0..3


@dataclass(frozen=True)
class Quads:
    """Upright quads: (F, 2) ends in metres, left to right as the viewer sees them, and what is drawn on each."""

    left: F32
    right: F32
    bottom: F32  # height of the lower edge, metres
    top: F32  # height of the upper edge, metres
    solid: F32  # up to this height nothing shows through, metres (0: not at all)
    facing: U8

    def __len__(self) -> int:
        return len(self.top)

    def select(self, chosen: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "Quads":
        """The chosen quads."""
        return Quads(
            self.left[chosen],
            self.right[chosen],
            self.bottom[chosen],
            self.top[chosen],
            self.solid[chosen],
            self.facing[chosen],
        )


@dataclass
class Buffer:
    """What each sample shows: texel, depth (units of travel, inf for sky) and the way the surface faces."""

    texels: U32
    depth: F32
    facing: U8

    @staticmethod
    def empty(camera: Camera) -> "Buffer":
        shape = (len(camera.slopes), camera.directions.shape[1])
        return Buffer(np.zeros(shape, np.uint32), np.full(shape, np.inf, np.float32), np.full(shape, BOARD, np.uint8))


def in_sight(camera: Camera, quads: Quads, reach: float) -> npt.NDArray[np.intp]:
    """Numbers of the quads that turn their front to the camera, lie within `reach` metres and not behind it."""
    ax, ay = quads.left[:, 0] - camera.x, quads.left[:, 1] - camera.y
    bx, by = quads.right[:, 0] - camera.x, quads.right[:, 1] - camera.y
    front = ax * by - ay * bx < 0
    near = np.minimum(ax * ax + ay * ay, bx * bx + by * by) < reach * reach
    keep = front & near
    if camera.turn[-1] - camera.turn[0] < 180:
        for column, sign in ((0, 1.0), (-1, -1.0)):
            dx, dy = camera.directions[:, column]
            inside_a, inside_b = sign * (ax * dy - ay * dx) > 0, sign * (bx * dy - by * dx) > 0
            keep &= inside_a | inside_b
    return np.flatnonzero(keep)


def draw(
    camera: Camera, buffer: Buffer, quads: Quads, texture_of: Callable[[int, float], Texture]
) -> npt.NDArray[np.float64]:
    """Draw all quads; `texture_of(number, travel)` is called only for those that show, with their least distance.

    Returns:
        (F, 5) what a viewer sees of each quad: samples covered, first and last position along it (0..1), lowest height
        in metres, and where in the picture it stands (0 left edge, 1 right edge).
    """
    travel, along = _intersect(camera, quads)
    seen = np.zeros((len(quads), 5), np.float64)
    blocked, blocked_at = np.full(travel.shape[1], -np.inf, np.float32), np.zeros(travel.shape[1], np.float32)
    nearest = travel.min(axis=1) if len(quads) else np.zeros(0, np.float32)
    for number in np.argsort(nearest, kind="stable"):
        if not np.isfinite(nearest[number]):
            break
        t = travel[number]
        with np.errstate(invalid="ignore"):
            rise = (quads.top[number] - camera.height) / t
            shows = np.isfinite(t) & ((rise > blocked) | (t < blocked_at))
        columns = np.flatnonzero(shows)
        if len(columns) == 0:
            continue
        texture = texture_of(int(number), float(nearest[number]))
        for first, last in _runs(columns):
            _merge(seen[number], _draw_run(camera, buffer, quads, int(number), texture, t, along[number], first, last))
        if quads.solid[number] > 0:
            cover = np.where(np.isfinite(t), (quads.solid[number] - camera.height) / t, -np.inf)
            higher = cover > blocked
            blocked, blocked_at = np.where(higher, cover, blocked), np.where(higher, t, blocked_at)
    return seen


def _intersect(camera: Camera, quads: Quads) -> tuple[F32, F32]:
    """(F, W) travel to each segment along each column (inf where missed) and position 0..1 along the segment."""
    dx, dy = camera.directions
    edge = quads.right - quads.left
    wx, wy = (quads.left[:, 0] - camera.x)[:, None], (quads.left[:, 1] - camera.y)[:, None]
    ex, ey = edge[:, :1], edge[:, 1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 1 / (dx * ey - dy * ex)
        travel = (wx * ey - wy * ex) * scale
        along = (wx * dy - wy * dx) * scale
        hit = (travel > NEAR) & (along >= 0) & (along < 1)
    return np.where(hit, travel, np.float32(np.inf)).astype(np.float32, copy=False), along


def _runs(columns: npt.NDArray[np.intp]) -> list[tuple[int, int]]:
    """Half-open ranges of consecutive numbers; short gaps are bridged, their columns are masked later."""
    breaks = np.flatnonzero(np.diff(columns) > 16)
    starts = [int(columns[0]), *(int(columns[i + 1]) for i in breaks)]
    stops = [*(int(columns[i]) + 1 for i in breaks), int(columns[-1]) + 1]
    return list(zip(starts, stops, strict=True))


def _draw_run(
    camera: Camera,
    buffer: Buffer,
    quads: Quads,
    number: int,
    texture: Texture,
    travel: F32,
    along: F32,
    first: int,
    last: int,
) -> tuple[float, float, float, float, float]:
    """Draw one quad over the columns first..last; returns what is seen of it, as `draw` does."""
    t, u = travel[first:last], along[first:last]
    missed = ~np.isfinite(t)
    if missed.any():
        t, u = np.where(missed, np.float32(1e6), t), np.where(missed, np.float32(0), u)
    top, height = float(quads.top[number]), float(quads.top[number] - quads.bottom[number])
    steepest = float(((top - camera.height) / t).max())
    lowest = float(((quads.bottom[number] - camera.height) / t).min())
    start = int(np.searchsorted(-camera.slopes, -steepest))
    stop = int(np.searchsorted(-camera.slopes, -lowest, side="right"))
    if stop <= start:
        return _NOTHING
    level = _level(camera, texture, t, u, height, missed)
    rows, columns = texture.rows[level], texture.columns[level]
    scale = (rows / np.float32(height)).astype(np.float32)
    column = np.minimum((u * columns).astype(np.int32), columns - 1) + texture.offsets[level]
    row = (top - camera.height) * scale - (t * scale) * camera.slopes[start:stop, None]
    inside = (row >= 0) & (row < rows)
    index = row.astype(np.int32)
    index *= columns
    index += column
    texels = texture.texels.take(index, mode="clip")
    depth = buffer.depth[start:stop, first:last]
    inside &= texels >= 1 << 24
    inside &= t < depth
    np.copyto(buffer.texels[start:stop, first:last], texels, where=inside)
    np.copyto(depth, t, where=inside)
    np.copyto(buffer.facing[start:stop, first:last], quads.facing[number], where=inside)
    count = int(np.count_nonzero(inside))
    if count < _GLIMPSE * buffer.texels.size:
        return (count, 0.0, 0.0, 0.0, 0.0)
    shown = np.flatnonzero(inside.any(axis=0))
    last_row = start + int(np.flatnonzero(inside.any(axis=1))[-1])
    low = camera.height + float(t[shown].min()) * float(camera.slopes[last_row])
    where = (first + float(shown.mean())) / camera.directions.shape[1]
    return (count, float(u[shown].min()), float(u[shown].max()), low, where)


def _merge(total: npt.NDArray[np.float64], run: tuple[float, float, float, float, float]) -> None:
    """Add what one run of columns shows; the largest run says where the quad stands."""
    if total[0] == 0:
        total[:] = run
    elif run[0] > 0:
        where = total[4] if total[0] >= run[0] else run[4]
        total[:] = (total[0] + run[0], min(total[1], run[1]), max(total[2], run[2]), min(total[3], run[3]), where)


def _level(camera: Camera, texture: Texture, t: F32, u: F32, height: float, missed: npt.NDArray[np.bool_]) -> I32:
    """The mip level per column: from texels per sample upwards, and sideways at half weight (walls seen aslant)."""
    footprint = t * np.float32(texture.rows[0] / height / camera.focal)
    if len(u) > 2:
        step = np.abs(np.diff(u))
        # The smaller of both neighbours: next to an edge the other one belongs to no hit.
        sideways = np.minimum(np.append(step, step[-1]), np.append(step[0], step))
        footprint = np.maximum(footprint, np.where(missed, 0, sideways * np.float32(0.5 * texture.columns[0])))
    level = np.floor(np.log2(np.maximum(footprint, 1e-3)) + 0.35).astype(np.int32)
    return np.asarray(np.clip(level, 0, len(texture.rows) - 1), np.int32)
