import math

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from tests.conftest import picture
from vprkit.errors import ConfigError
from vprkit.training.randaugment import NAMES, OPERATIONS, SIGNED, RandAugment, magnitude

SIZE = (37, 52)  # height, width


@pytest.fixture
def photo():
    return Image.fromarray(picture(3, SIZE))


def published(name: str, image: Image.Image, step: int, negative: bool) -> np.ndarray:
    """What the published programs do, written with their own numbers."""
    share, sign = step / 30, -1 if negative else 1
    pixels = np.asarray(image)
    enhancers = {"Brightness", "Color", "Contrast", "Sharpness"}
    if name in enhancers:
        return np.asarray(getattr(ImageEnhance, name)(image).enhance(1 + sign * 0.9 * share))
    if name == "Posterize":
        dropped = 2 ** round(step / 7.5)
        return pixels // dropped * dropped
    if name == "Solarize":
        return np.where(pixels >= 255 * (1 - share), 255 - pixels, pixels)
    if name in ("AutoContrast", "Equalize"):
        return np.asarray(getattr(ImageOps, name.lower())(image))
    if name == "Rotate":
        return np.asarray(image.rotate(sign * 30 * share, Image.Resampling.BILINEAR))
    if name.startswith("Translate"):
        moved, axis = np.zeros_like(pixels), 1 if name == "TranslateX" else 0
        by = sign * int(150 / 331 * SIZE[axis] * share)
        for place in range(SIZE[axis]):
            if 0 <= place - by < SIZE[axis]:
                moved[(slice(None),) * axis + (place,)] = pixels[(slice(None),) * axis + (place - by,)]
        return moved
    return sheared(pixels, name, sign * 0.3 * share) if name.startswith("Shear") else pixels


def sheared(pixels: np.ndarray, name: str, slope: float) -> np.ndarray:
    """Bilinear, pixel by pixel, about the corner: input x = x + slope * y, both from the edge of the picture."""
    out = np.zeros_like(pixels)
    for row in range(SIZE[0]):
        for column in range(SIZE[1]):
            x, y = column + 0.5, row + 0.5
            x, y = (x + slope * y, y) if name == "ShearX" else (x, y + slope * x)
            if 0 <= x < SIZE[1] and 0 <= y < SIZE[0]:
                left, top = math.floor(x - 0.5), math.floor(y - 0.5)
                right_share, low_share = x - 0.5 - left, y - 0.5 - top
                columns = np.clip([left, left + 1], 0, SIZE[1] - 1)
                rows = np.clip([top, top + 1], 0, SIZE[0] - 1)
                four = pixels[np.ix_(rows, columns)].astype(float)
                across = four[:, 0] * (1 - right_share) + four[:, 1] * right_share
                out[row, column] = across[0] * (1 - low_share) + across[1] * low_share + 0.5
    return out


@pytest.mark.parametrize(
    ("name", "negative"), [(name, sign) for name in NAMES for sign in (False, True) if name in SIGNED or not sign]
)
@pytest.mark.parametrize("step", [9, 30])
def test_every_operation_gives_the_published_pixels(photo, name, step, negative):
    found = np.asarray(RandAugment(1, step).apply(photo, name, negative)).astype(int)
    expected = published(name, photo, step, negative).astype(int)
    assert found.shape == expected.shape
    # Pillow may round the last digit of a bilinear mean its own way, and a magnitude is a float32
    allowed = 1 if name.startswith("Shear") or name in ("Brightness", "Color", "Contrast", "Sharpness", "Rotate") else 0
    assert np.abs(found - expected).max() <= allowed
    if name not in ("Identity", "AutoContrast", "Equalize"):
        assert not np.array_equal(found, np.asarray(photo))


def test_magnitudes_go_from_nothing_to_the_published_limits():
    limits = {"ShearX": 0.3, "ShearY": 0.3, "TranslateX": 150 / 331 * 52, "TranslateY": 150 / 331 * 37, "Rotate": 30}
    limits |= dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), 0.9)
    for name, limit in limits.items():
        found = [magnitude(name, step, 31, (52, 37)) for step in (0, 15, 30)]
        assert found == pytest.approx([0, limit / 2, limit]), name
    assert [magnitude("Posterize", step, 31, (9, 9)) for step in range(0, 31, 5)] == [8, 7, 7, 6, 5, 5, 4]
    assert [magnitude("Solarize", step, 31, (9, 9)) for step in (0, 9, 30)] == [255, 178.5, 0]
    assert len(NAMES) == 14 and len(SIGNED) == 9


def test_operations_are_drawn_evenly_with_both_signs(photo, monkeypatch):
    calls: list[tuple[str, float]] = []
    for name in NAMES:
        monkeypatch.setitem(
            OPERATIONS, name, lambda image, strength, name=name: calls.append((name, strength)) or image
        )
    augment, generator = RandAugment(3, 9), np.random.default_rng(0)
    for _ in range(1400):
        augment(photo, generator)
    counts = {name: sum(called == name for called, _ in calls) for name in NAMES}
    assert len(calls) == 4200
    assert all(230 < count < 370 for count in counts.values())  # 300 each, sigma 17
    for name in NAMES:
        negative = sum(called == name and strength < 0 for called, strength in calls)
        assert (0.38 < negative / counts[name] < 0.62) if name in SIGNED else negative == 0


def test_chance_comes_from_the_generator_alone(photo):
    augment = RandAugment(3, 9)
    first = [np.asarray(augment(photo, np.random.default_rng(seed))) for seed in range(8)]
    np.random.seed(0)
    again = [np.asarray(augment(photo, np.random.default_rng(seed))) for seed in range(8)]
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    assert len({image.tobytes() for image in first}) > 4
    assert np.array_equal(np.asarray(photo), picture(3, SIZE))


def test_grey_pictures_stay_grey():
    grey = Image.fromarray(picture(3, SIZE)).convert("L")
    for name in NAMES:
        changed = RandAugment(1, 9).apply(grey, name)
        assert (changed.mode, changed.size) == ("L", grey.size)


@pytest.mark.parametrize(("ops", "step", "bins"), [(0, 9, 31), (3, 31, 31), (3, -1, 31), (3, 0, 1)])
def test_what_makes_no_sense_is_refused(ops, step, bins):
    with pytest.raises(ConfigError, match="RandAugment needs"):
        RandAugment(ops, step, bins)
