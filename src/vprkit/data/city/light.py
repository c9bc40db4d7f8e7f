"""What the sky, the sun and the lamps do under each condition."""

import math
from dataclasses import dataclass

import numpy as np

from vprkit.data.city.randomness import between
from vprkit.data.city.shot import Shot
from vprkit.data.city.textures import (
    CLEAR,
    CLOTHES,
    F32,
    FIRST_WINDOW,
    FOLIAGE,
    GRASS,
    HEADLIGHT,
    LAMP,
    LEDGE,
    MARKING,
    PAVEMENT,
    ROAD,
    ROOF,
    SHOP_GLASS,
    SIGN,
    TAILLIGHT,
    TRUNK,
    U32,
)

Rgb = tuple[float, float, float]


def planes(colour: tuple[float, float, float]) -> F32:
    """A colour as (3, 1, 1), to be spread over pictures that keep their three channels as planes."""
    return np.array(colour, np.float32)[:, None, None]


@dataclass(frozen=True)
class Light:
    """The light of one shot; colours are factors, sky colours and haze are 0..255."""

    ambient: Rgb
    sun: Rgb
    azimuth: float  # of the sun, degrees clockwise from the local y axis
    elevation: float  # of the sun, degrees
    zenith: Rgb
    rim: Rgb  # sky at the horizon
    clouds: float  # cover, 0 to 1
    cloud: Rgb
    lamps: float  # 0 off to 1 on
    lit: float  # share of windows with light
    haze: float  # share of contrast lost per metre
    wet: float
    snow: float
    noise: float  # standard deviation of sensor noise, grey levels
    exposure: float
    tint: Rgb
    afterglow: float = 0.0  # how much brighter the sky is where the sun has set


def draw_light(rng: np.random.Generator, shot: Shot, rotation: float) -> Light:
    """The light of a shot; `rotation` is how far the local axes are turned counter-clockwise, in degrees."""
    azimuth = (shot.hour - 12) * 15 + 180 + rotation
    warm = between(rng, -0.07, 0.07)
    tint = (1 + warm, 1.0, 1 - warm)
    exposure = between(rng, 0.82, 1.18)
    noise = between(rng, 1.0, 4.0)
    noon = max(0.0, 1 - abs(shot.hour - 12.5) / 7)
    condition = shot.condition
    if condition == "day":
        return Light(
            (0.64, 0.69, 0.75), (0.6, 0.54, 0.44), azimuth, 14 + 42 * noon,
            (88, 140, 206), (190, 214, 234), between(rng, 0.0, 0.7), (244, 246, 250),
            0, 0, 0.0006, 0, 0, noise, exposure, tint,
        )  # fmt: skip
    if condition == "overcast":
        return Light(
            (0.80, 0.82, 0.86), (0, 0, 0), azimuth, 30, (170, 178, 188), (208, 212, 216), 0.9, (222, 224, 228),
            0, 0.06, 0.0014, 0, 0, noise, exposure, tint,
        )  # fmt: skip
    if condition == "dusk":
        dim = between(rng, 0.7, 1.2)
        return Light(
            (0.42 * dim, 0.38 * dim, 0.43 * dim), (0, 0, 0), azimuth, 2, (56 * dim, 62 * dim, 112 * dim),
            (228 * dim, 142 * dim, 98 * dim), between(rng, 0.2, 0.7), (176 * dim, 112 * dim, 110 * dim),
            0.5, between(rng, 0.15, 0.4), 0.001, 0, 0, noise + 2, exposure, tint, afterglow=1.0,
        )  # fmt: skip
    if condition == "night":
        moon = between(rng, 0.6, 1.6)  # and light of the town on haze
        return Light(
            (0.11 * moon, 0.115 * moon, 0.15 * moon), (0, 0, 0), azimuth, 0,
            (24 * moon, 26 * moon, 42 * moon), (66 * moon, 58 * moon, 60 * moon),
            between(rng, 0, 0.5), (46 * moon, 42 * moon, 46 * moon), between(rng, 0.5, 1.0),
            between(rng, 0.05, 0.28), 0.001, 0, 0,
            noise + between(rng, 1, 4), between(rng, 0.75, 1.35), tint,
        )  # fmt: skip
    if condition == "rain":
        return Light(
            (0.52, 0.55, 0.60), (0, 0, 0), azimuth, 30, (112, 120, 130), (146, 152, 158), 0.9, (132, 138, 146),
            0.25, between(rng, 0.1, 0.35), between(rng, 0.004, 0.010), 1.0, 0, noise + 1, exposure, tint,
        )  # fmt: skip
    return Light(
        (0.74, 0.77, 0.84), (0, 0, 0), azimuth, 30, (178, 186, 198), (206, 210, 216), 0.8, (206, 210, 216),
        0.1, between(rng, 0.05, 0.25), between(rng, 0.003, 0.009), 0, between(rng, 0.7, 1.0), noise, exposure, tint,
    )  # fmt: skip


_SNOWY = {
    ROOF: 0.95, LEDGE: 0.9, ROAD: 0.72, PAVEMENT: 0.92, MARKING: 0.7, GRASS: 1.0, FOLIAGE: 0.4, TRUNK: 0.25,
    CLOTHES: 0.08,
}  # fmt: skip
_WET = {ROAD: 1.0, MARKING: 1.0, PAVEMENT: 0.7, GRASS: 0.2}


def glow_table(rng: np.random.Generator, light: Light) -> U32:
    """(256,) light given off by each material, R | G << 8 | B << 16, with its snow or wetness << 24."""
    table = np.zeros((256, 4), np.float32)
    windows = rng.random(256 - FIRST_WINDOW) < light.lit
    warmth = rng.random((256 - FIRST_WINDOW, 1)).astype(np.float32)
    strength = (0.45 + 0.55 * rng.random((256 - FIRST_WINDOW, 1))).astype(np.float32)
    glow = (1 - warmth) * np.array((255, 196, 112), np.float32) + warmth * np.array((226, 226, 216), np.float32)
    evening = light.lamps if light.lamps > 0.3 else 0.3
    table[FIRST_WINDOW:, :3] = np.where(windows[:, None], glow * strength * 0.85 * min(1.0, evening), 0)
    if light.lit > 0:
        open_late = float(rng.random()) < 0.7
        shop = (210.0, 176.0, 122.0) if open_late else (26.0, 24.0, 22.0)
        table[SHOP_GLASS, :3] = np.array(shop, np.float32) * min(1.0, evening)
        table[SIGN, :3] = np.array((56, 50, 40) if open_late else (0, 0, 0), np.float32) * light.lamps
        table[LAMP, :3] = np.array((255, 226, 168), np.float32) * min(1.0, light.lamps)
        table[HEADLIGHT, :3] = np.array((255, 248, 226), np.float32) * min(1.0, evening)
        table[TAILLIGHT, :3] = np.array((216, 22, 16), np.float32) * min(1.0, evening)
    for material, share in (_SNOWY if light.snow else _WET).items():
        table[material, 3] = 255 * share * (light.snow if light.snow else light.wet)
    table[CLEAR] = 0
    return np.ascontiguousarray(table.astype(np.uint8)).view(np.uint32)[:, 0]


def sun_direction(light: Light) -> tuple[float, float, float]:
    """Unit vector to the sun: local x, local y, up."""
    azimuth, elevation = math.radians(light.azimuth), math.radians(light.elevation)
    flat = math.cos(elevation)
    return math.sin(azimuth) * flat, math.cos(azimuth) * flat, math.sin(elevation)
