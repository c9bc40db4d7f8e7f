"""What lies between the scene and the file: rain, snow, glare, vignette, noise, exposure."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageFilter

from vprkit.data.city.light import Light, planes
from vprkit.data.city.shading import Lit
from vprkit.data.city.textures import F32, U8

_BANK = 1024  # side of the stored noise and rain pictures, pixels


def develop(lit: Lit, light: Light, rng: np.random.Generator) -> U8:
    """The finished photo, (H, W, 3) 8-bit."""
    rgb = lit.rgb
    if light.wet:
        _mirror(lit, rgb, light)
    if light.lamps > 0.2:
        rgb += _glare(lit.glow) * np.float32(0.55 * light.lamps + 0.15)
    if light.wet:
        rgb += _rain(rgb.shape[1:], rng) * np.float32(16)
        rgb += (rgb.mean(axis=0) - rgb) * np.float32(0.38)
    if light.snow:
        fall = _flakes(rgb.shape[1:], rng, light.haze)
        rgb += (np.float32(240) - rgb) * fall
    rgb *= planes(light.tint) * (_vignette(rgb.shape[1], rgb.shape[2]) * np.float32(light.exposure))
    # A soft shoulder instead of hard clipping of lamps and snow.
    soft = 200 + 55 * np.tanh((rgb - 200) * np.float32(1 / 70))
    np.copyto(rgb, soft, where=rgb > 200)
    rgb += _noise(rgb.shape[1:], rng) * np.float32(light.noise)
    return np.ascontiguousarray(np.moveaxis(np.clip(rgb, 0, 255).astype(np.uint8), 0, 2))


def _mirror(lit: Lit, rgb: F32, light: Light) -> None:
    """Blurred reflections of houses and lights on wet ground."""
    horizon, below = lit.horizon, rgb.shape[1] - lit.horizon
    if below <= 0 or horizon <= 0:
        return
    rows = np.clip(horizon - 1 - (np.arange(below) * 0.9).astype(np.int32), 0, horizon - 1)
    sharp = rgb[:, rows]
    image = np.mean([np.roll(sharp, step, axis=1) for step in (0, 2, 4, 6)], axis=0)
    share = lit.wet[horizon:] * np.linspace(0.62, 0.25, below, dtype=np.float32)[:, None]
    rgb[:, horizon:] += (image - rgb[:, horizon:]) * (share * np.float32(light.wet))


def _glare(glow: F32) -> F32:
    """Light spread by the lens around everything that shines."""
    height, width = glow.shape[1:]
    shining = np.ascontiguousarray(np.moveaxis(np.clip(glow, 0, 255).astype(np.uint8), 0, 2))
    small = Image.fromarray(shining).reduce(4)
    near, far = small.filter(ImageFilter.GaussianBlur(1.6)), small.filter(ImageFilter.GaussianBlur(5))
    both = np.asarray(near, np.float32) * 0.7 + np.asarray(far, np.float32) * 0.9
    picture = Image.fromarray(np.clip(both, 0, 255).astype(np.uint8)).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(np.moveaxis(np.asarray(picture), 2, 0), np.float32)


def _window(bank: F32, shape: tuple[int, ...], rng: np.random.Generator) -> F32:
    """A random piece of a stored picture, repeated where the photo is larger."""
    top, left = (int(start) for start in rng.integers(0, _BANK, 2))
    if top + shape[0] <= _BANK and left + shape[1] <= _BANK:
        return bank[..., top : top + shape[0], left : left + shape[1]]
    rows, columns = (np.arange(shape[0]) + top) % _BANK, (np.arange(shape[1]) + left) % _BANK
    return np.asarray(bank.take(rows, axis=-2).take(columns, axis=-1), np.float32)


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> F32:
    return _window(_noise_bank(), shape, rng)


@lru_cache(maxsize=1)
def _noise_bank() -> F32:
    """Sensor noise: brightness mostly, some colour."""
    rng = np.random.Generator(np.random.PCG64(21))
    grey = rng.normal(0, 0.9, (1, _BANK, _BANK))
    return np.asarray(grey + rng.normal(0, 0.5, (3, _BANK, _BANK)), np.float32)


def _rain(shape: tuple[int, ...], rng: np.random.Generator) -> F32:
    return _window(_rain_bank(), shape, rng)


@lru_cache(maxsize=1)
def _rain_bank() -> F32:
    """Slanting streaks around 0..2.5."""
    rng = np.random.Generator(np.random.PCG64(22))
    drops = (rng.random((_BANK, _BANK)) > 0.9965).astype(np.float32)
    total = np.zeros_like(drops)
    for step in range(14):
        total += np.roll(drops, (step, step // 5), axis=(0, 1))
    return np.asarray(total * 1.3, np.float32)


def _flakes(shape: tuple[int, ...], rng: np.random.Generator, haze: float) -> F32:
    strength = min(1.0, 0.4 + 70 * haze)
    return np.asarray(np.minimum(1, _window(_flake_bank(), shape, rng) * np.float32(strength)), np.float32)


@lru_cache(maxsize=1)
def _flake_bank() -> F32:
    """Falling flakes, small and many, large and few, as cover 0..1."""
    rng = np.random.Generator(np.random.PCG64(23))
    total = np.zeros((_BANK, _BANK), np.float32)
    for share, radius, weight in ((0.004, 0.5, 1.6), (0.0011, 1.1, 5.0), (0.0002, 2.0, 12.0)):
        dots = (rng.random((_BANK, _BANK)) < share).astype(np.float32) * 255
        picture = Image.fromarray(dots.astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
        total += np.asarray(picture, np.float32) / 255 * weight
    return np.asarray(np.clip(total, 0, 0.9), np.float32)


@lru_cache(maxsize=8)
def _vignette(height: int, width: int) -> F32:
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    # A panorama has no corners: only its top and bottom darken.
    edge = 1.0 if width < 2 * height else 0.0
    x = np.linspace(-edge, edge, width, dtype=np.float32)[None, :]
    return np.asarray(1 - np.float32(0.16) * (x * x + y * y) / 2, np.float32)
