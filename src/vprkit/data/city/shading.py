"""From the buffer to a lit picture: sun and shadow, lamps, sky, snow, haze."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from vprkit.data.city.lamps import add_halos, lamplight
from vprkit.data.city.light import Light, planes, sun_direction
from vprkit.data.city.raster import BOARD, GROUND
from vprkit.data.city.scene import View
from vprkit.data.city.surroundings import HEIGHTS
from vprkit.data.city.textures import F32, U8, U32
from vprkit.data.city.vehicles import MODELS

_MARCH = (1.2, 2.4, 4.0, 6.0, 9.0, 13.0, 18.0, 24.0, 31.0, 40.0)  # metres towards the sun at which heights are read
_CONTACT_REACH = 26.0  # metres within which cars darken the ground


@dataclass
class Lit:
    """A lit picture, (3, H, W) 0..255, and what weather and lens still need."""

    rgb: F32
    glow: F32  # (3, H, W) light given off, 0..255
    wet: F32  # (H, W) how much the ground mirrors, 0..1
    horizon: int  # row


def shade(view: View, light: Light, glow: U32, rng: np.random.Generator) -> Lit:
    """Light the buffer of a view and average its samples to pixels."""
    camera, buffer = view.camera, view.buffer
    factor = view.oversample
    albedo = _average(buffer.texels, factor)[:3]
    given = _average(glow.take(buffer.texels >> 24), factor)
    special = given[3] * np.float32(1 / 255)
    # Goods, bars and curtains show against the light behind them.
    emission = given[:3] * np.minimum(np.float32(0.4) + albedo * np.float32(1 / 190), np.float32(1.25))
    if light.snow:
        albedo += (planes((226, 229, 236)) - albedo) * special
    elif light.wet:
        albedo *= 1 - np.float32(0.45) * special
    pick = (slice(None, None, factor), slice(None, None, factor))
    distance, facing = buffer.depth[pick], buffer.facing[pick]
    slopes, directions = camera.slopes[pick[0]], camera.directions[:, pick[0]]
    open_sky = _average_mask(np.isinf(buffer.depth), factor)
    near = np.minimum(distance, 300)
    x, y = camera.x + near * directions[0], camera.y + near * directions[1]
    z = camera.height + near * slopes[:, None]
    strength = _daylight(view, light, facing, x, y, z)
    if light.lamps > 0.3:
        strength += lamplight(view, light, facing, x, y, z)
    rgb = np.multiply(albedo, strength, out=albedo)
    rgb += emission
    if light.haze:
        keep = np.exp(-near * np.float32(light.haze))
        rgb *= keep
        rgb += planes(light.rim) * ((1 - keep) * (1 - open_sky) * np.float32(0.92))
    rgb += _sky(light, slopes, camera.turn[pick[0]], open_sky, rng) * open_sky
    if light.lamps > 0.3:
        add_halos(view, light, rgb, distance, factor)
    horizon = int(np.searchsorted(-slopes, 0))
    wet = np.asarray(special * float(light.wet > 0), np.float32)
    return Lit(rgb, emission, wet, horizon)


def _average(texels: U32, factor: int) -> F32:
    """(4, H, W) mean of the four bytes over squares of samples."""
    parts = texels.view(np.uint8).reshape(*texels.shape, 4)
    if factor == 1:
        return np.ascontiguousarray(np.moveaxis(parts, 2, 0), np.float32)
    total = parts[::2, ::2].astype(np.uint16)
    for rows, columns in ((1, 0), (0, 1), (1, 1)):
        total += parts[rows::2, columns::2]
    return np.ascontiguousarray(np.moveaxis(total, 2, 0), np.float32) * np.float32(0.25)


def _average_mask(mask: npt.NDArray[np.bool_], factor: int) -> F32:
    if factor == 1:
        return mask.astype(np.float32)
    m: U8 = mask.view(np.uint8)
    total = m[::2, ::2] + m[1::2, ::2] + m[::2, 1::2] + m[1::2, 1::2]
    return total.astype(np.float32) * np.float32(0.25)


def _daylight(view: View, light: Light, facing: U8, x: F32, y: F32, z: F32) -> F32:
    """(3, H, W) factor of ambient light and, where no shadow falls, sun."""
    # Upright surfaces see half the sky; walls differ a little so that corners stay visible without sun.
    openness = np.array((0.86, 0.78, 0.84, 0.9, 1.0, 0.88), np.float32)
    shadow = _contact(view, facing, x, y)
    result = planes(light.ambient) * (openness[facing] * shadow)
    if max(light.sun) <= 0:
        return np.asarray(result, np.float32)
    sx, sy, sz = sun_direction(light)
    cosines = np.array((sx, sy, -sx, -sy, sz, 0.55), np.float32)
    falling = np.maximum(cosines, 0)[facing]
    lit = _sunlit(view, (sx, sy, sz), facing == BOARD, x, y, z)
    return np.asarray(result + planes(light.sun) * (falling * lit), np.float32)


def _sunlit(view: View, sun: tuple[float, float, float], board: npt.NDArray[np.bool_], x: F32, y: F32, z: F32) -> F32:
    """1 where the way to the sun is free, 0 in shadow; walks over the height map."""
    heights = view.around.heights
    side = heights.shape[0]
    flat = math.hypot(sun[0], sun[1])
    step_x, step_y, rise = sun[0] / flat, sun[1] / flat, sun[2] / flat
    column, row = x - np.float32(view.around.x - HEIGHTS), y - np.float32(view.around.y - HEIGHTS)
    free = np.ones(x.shape, np.bool_)
    for reach in _MARCH:
        c = np.clip((column + np.float32(step_x * reach)).astype(np.int32), 0, side - 1)
        r = np.clip((row + np.float32(step_y * reach)).astype(np.int32), 0, side - 1)
        open_way = heights.take(r * side + c) <= z + np.float32(rise * reach)
        # A tree is drawn flat in the middle of its own cells and must not shade itself.
        free &= open_way | board if reach < 5 else open_way
    return free.astype(np.float32)


def _contact(view: View, facing: U8, x: F32, y: F32) -> F32:
    """Darkening of the ground under and beside cars."""
    result = np.ones(x.shape, np.float32)
    ground = facing == GROUND
    rows = np.flatnonzero(ground.any(axis=1))
    if len(rows) == 0:
        return result
    part = slice(int(rows[0]), None)
    px, py, on = x[part], y[part], ground[part]
    for car in view.cars:
        if math.hypot(car.x - view.camera.x, car.y - view.camera.y) > _CONTACT_REACH:
            continue
        half_x, half_y = MODELS[car.model].width / 2, MODELS[car.model].length / 2
        if not car.vertical:
            half_x, half_y = half_y, half_x
        away = np.maximum(np.abs(px - np.float32(car.x)) - half_x, np.abs(py - np.float32(car.y)) - half_y)
        dark = np.clip((away + 0.15) * np.float32(1.6), 0, 1) * np.float32(0.7) + np.float32(0.3)
        np.minimum(result[part], dark, out=result[part], where=on)
    return result


def _sky(light: Light, slopes: F32, turn: F32, open_sky: F32, rng: np.random.Generator) -> F32:
    """(3, H, W) sky; only where any shows."""
    up = np.clip(slopes, 0, 2)[:, None]
    blend = np.clip(up * 1.25, 0, 1) ** np.float32(0.65)
    zenith, rim = planes(light.zenith), planes(light.rim)
    away = np.abs((turn - light.azimuth + 180) % 360 - 180)[None, :]
    # After sunset only the west stays bright.
    dark = np.float32(0.35 * light.afterglow) * (1 - np.exp(-((away / 70) ** 2)))
    blend = np.clip(blend + dark, 0, 1).astype(np.float32)
    sky = rim + (zenith - rim) * blend
    shows = np.flatnonzero((open_sky > 0).any(axis=1))
    rows = int(shows[-1]) + 1 if len(shows) else 0
    if light.clouds > 0 and rows:
        cover = _clouds()
        v = (255 * np.clip(1 - 0.55 / (0.55 + up[:rows]), 0, 1)).astype(np.int32)
        u = ((turn + float(rng.random()) * 360) * (1024 / 360)).astype(np.int32) % 1024
        amount = np.clip((cover[v, u[None, :]] - (1 - light.clouds)) * 2.2, 0, 1) * np.float32(0.85)
        sky[:, :rows] += (planes(light.cloud) - sky[:, :rows]) * amount
    if light.zenith[2] < 40 and rows:
        stars = rng.random((rows, len(turn)), dtype=np.float32) > 0.9985
        sky[:, :rows] += stars * np.float32(90)
    return np.asarray(sky, np.float32)


@lru_cache(maxsize=1)
def _clouds() -> F32:
    """(256, 1024) cloud density 0..1 that repeats sideways."""
    rng = np.random.Generator(np.random.PCG64(11))
    total = np.zeros((256, 1024), np.float32)
    for cells, weight in ((6, 1.0), (12, 0.6), (24, 0.35), (48, 0.2), (96, 0.12)):
        grid = rng.random((cells, 2 * cells)).astype(np.float32)
        wrapped = np.concatenate([grid[:, -2:], grid, grid[:, :2]], axis=1)
        wide = round(1024 * (2 * cells + 4) / (2 * cells))
        smooth = np.asarray(Image.fromarray(wrapped).resize((wide, 256), Image.Resampling.BICUBIC))
        start = (wide - 1024) // 2
        total += weight * smooth[:, start : start + 1024]
    low, high = np.percentile(total, (2, 98))
    return np.asarray(np.clip((total - low) / (high - low), 0, 1), np.float32)
