"""Street lamps at night: the light they throw, and the glow around them."""

import math

import numpy as np

from vprkit.data.city.light import Light, planes
from vprkit.data.city.scene import View
from vprkit.data.city.sprites import lamp_heads
from vprkit.data.city.textures import F32, U8

_LAMP_REACH = 45.0  # metres within which a lamp lights anything


def lamplight(view: View, light: Light, facing: U8, x: F32, y: F32, z: F32) -> F32:
    """(3, H, W) light of street lamps and of shop windows on what is near them."""
    total = np.zeros(x.shape, np.float32)
    camera = view.camera
    lamps = sorted(view.around.lamps, key=lambda b: (b.x - camera.x) ** 2 + (b.y - camera.y) ** 2)
    for lamp in lamps[:10]:
        if math.hypot(lamp.x - camera.x, lamp.y - camera.y) > _LAMP_REACH:
            break
        height = lamp_heads(lamp.kind)[0][1]
        square = (x - np.float32(lamp.x)) ** 2 + (y - np.float32(lamp.y)) ** 2 + (z - np.float32(height)) ** 2
        total += 0.55 / (1 + square * np.float32(0.02))
        total += 1.3 / (1 + square * np.float32(0.04)) ** 2
    total *= np.array((0.9, 0.9, 0.9, 0.9, 0.8, 0.75), np.float32)[facing] * np.float32(light.lamps)
    return np.asarray(planes((0.45, 0.36, 0.234)) * total, np.float32)


def add_halos(view: View, light: Light, rgb: F32, distance: F32, factor: int) -> None:
    """Glow around the lamps that can be seen."""
    camera = view.camera
    slopes, directions = camera.slopes[::factor], camera.directions[:, ::factor]
    for lamp in view.around.lamps:
        dx, dy = lamp.x - camera.x, lamp.y - camera.y
        reach = math.hypot(dx, dy)
        if reach > _LAMP_REACH or reach < 2:
            continue
        # Where the column directions run past the lamp; the cross product changes sign there.
        ahead = directions[0] * dx + directions[1] * dy > 0
        cross = np.abs(directions[0] * dy - directions[1] * dx) / reach + np.where(ahead, 0, 10)
        column = int(np.argmin(cross))
        travel = reach / float(np.hypot(directions[0, column], directions[1, column]))
        for offset, height in lamp_heads(lamp.kind):
            across = column + round(offset / travel * camera.focal / factor)
            row = int(np.searchsorted(-slopes, -(height - camera.height) / travel))
            radius = max(3, int(1.5 / travel * camera.focal / factor))
            shown = 0 < row < len(slopes) and 0 < across < len(directions[0]) and cross[column] < 0.05
            if shown and distance[row, across] > travel - 1:
                _add_halo(rgb, row, across, radius, light.lamps)


def _add_halo(rgb: F32, row: int, column: int, radius: int, strength: float) -> None:
    top, left = max(0, row - radius), max(0, column - radius)
    part = rgb[:, top : row + radius + 1, left : column + radius + 1]
    rows = (np.arange(part.shape[1], dtype=np.float32) + (top - row))[:, None] / radius
    columns = (np.arange(part.shape[2], dtype=np.float32) + (left - column))[None, :] / radius
    fade = np.clip(1 - np.sqrt(rows * rows + columns * columns), 0, 1) ** 2
    part += planes((190, 156, 105)) * (fade * np.float32(strength))
