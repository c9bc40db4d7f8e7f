"""Cameras: one horizontal ray per column and one slope per row serve photos and panoramas alike.

A sample (row, column) looks along `directions[column]` (unit of travel `t`) and meets height
`height + t * slopes[row]`. For a pinhole `t` is the depth along the optical axis, for a panorama the distance.
"""

import math
from dataclasses import dataclass

import numpy as np

from vprkit.data.city.textures import F32


@dataclass(frozen=True)
class Camera:
    """Position in metres of the local plane, height above the ground, and the rays of all samples."""

    x: float
    y: float
    height: float
    bearing: float
    directions: F32  # (2, W): east-like and north-like component per column
    slopes: F32  # (H,): rise per unit of travel, decreasing from the top row to the bottom row
    focal: float  # samples per unit of slope near the horizon
    turn: F32  # (W,): direction of each column in degrees, clockwise from the local y axis


def pinhole(
    x: float, y: float, height: float, bearing: float, size: int, fov: float, horizon: float, oversample: int = 2
) -> Camera:
    """A square photo of `size` pixels looking along `bearing` (degrees clockwise from the local y axis).

    Args:
        fov: horizontal field of view in degrees.
        horizon: row of the horizon as a share of the height; above 0.5 looks up without bending verticals.
        oversample: samples per pixel along each side.
    """
    count = size * oversample
    focal = count / 2 / math.tan(math.radians(fov) / 2)
    across = (np.arange(count, dtype=np.float32) + 0.5 - count / 2) / focal
    angle = math.radians(bearing)
    forward, right = (math.sin(angle), math.cos(angle)), (math.cos(angle), -math.sin(angle))
    directions = np.stack([forward[0] + across * right[0], forward[1] + across * right[1]])
    slopes = (horizon * count - (np.arange(count, dtype=np.float32) + 0.5)) / focal
    turn = bearing + np.degrees(np.arctan(across))
    return Camera(x, y, height, bearing, directions.astype(np.float32), slopes, focal, turn.astype(np.float32))


def panorama(
    x: float,
    y: float,
    height: float,
    bearing: float,
    size: tuple[int, int],
    full_width: int,
    columns: tuple[int, int] | None = None,
    horizon: float = 0.56,
    oversample: int = 1,
) -> Camera:
    """A piece of an equirectangular panorama, columns turning clockwise.

    Args:
        bearing: direction of the centre of the whole panorama, degrees clockwise from the local y axis.
        size: (height, width) in pixels of what is rendered.
        full_width: pixels of the full turn.
        columns: first and one past the last column of the piece, counted in the whole panorama; default all.
        horizon: row of the horizon as a share of the height.
    """
    first, last = columns if columns is not None else (0, full_width)
    step = 360.0 / full_width
    fine = (np.arange((last - first) * oversample, dtype=np.float64) + 0.5) / oversample + first
    turn = bearing + (fine - full_width / 2) * step
    rows = (np.arange(size[0] * oversample, dtype=np.float64) + 0.5) / oversample
    slopes = np.tan(np.radians((horizon * size[0] - rows) * step))
    angle = np.radians(turn)
    directions = np.stack([np.sin(angle), np.cos(angle)])
    focal = oversample * full_width / (2 * math.pi)
    return Camera(
        x, y, height, bearing, directions.astype(np.float32), slopes.astype(np.float32), focal, turn.astype(np.float32)
    )
