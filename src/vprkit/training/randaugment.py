"""RandAugment on 8-bit pictures (Cubuk et al., CVPRW 2020, arXiv 1909.13719), as the recipes of the field apply it.

Every operation is Pillow's, with the magnitudes, the filter and the fill of the published programs, so that a picture
comes out with the pixels it has there. Nothing here touches a global random state: it runs in decoding threads.
"""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps

from vprkit.errors import ConfigError

Operation = Callable[[Image.Image, float], Image.Image]
_BILINEAR = Image.Resampling.BILINEAR


class RandAugment:
    """`ops` operations in a row, each drawn evenly from `OPERATIONS`, all at one strength.

    Args:
        ops: operations per picture.
        magnitude: their strength, 0 to `bins - 1`.
        bins: steps from no effect to the greatest one.

    Raises:
        ConfigError: a number outside its range.
    """

    def __init__(self, ops: int, magnitude: int, bins: int = 31) -> None:
        if ops < 1 or bins < 2 or not 0 <= magnitude < bins:
            raise ConfigError(
                f"RandAugment needs at least one operation and a magnitude from 0 to {bins - 1} ({bins} bins, at "
                f"least 2); got {ops} operations at magnitude {magnitude}"
            )
        self.ops = ops
        self.magnitude = magnitude
        self.bins = bins

    def __call__(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        """An 8-bit RGB or luma picture, changed; size and mode stay. All chance comes from `generator`."""
        for _ in range(self.ops):
            name = NAMES[generator.integers(len(NAMES))]
            negative = name in SIGNED and bool(generator.integers(2))
            image = self.apply(image, name, negative)
        return image

    def apply(self, image: Image.Image, name: str, negative: bool = False) -> Image.Image:
        """One operation of `OPERATIONS` at this strength, turned round where `negative`."""
        strength = magnitude(name, self.magnitude, self.bins, image.size)
        return OPERATIONS[name](image, -strength if negative else strength)


def magnitude(name: str, step: int, bins: int, size: tuple[int, int]) -> float:
    """The number that an operation gets at `step` of `bins` on a picture of `size` (width, height).

    A factor's difference from 1, a slope, pixels, degrees, bits or a grey level; 0.0 where it takes none.
    """
    if name == "Posterize":
        return float(8 - round(step / ((bins - 1) / 4)))
    if name not in _RANGES:
        return 0.0
    start, end = _RANGES[name]
    if name.startswith("Translate"):
        end *= size[0 if name == "TranslateX" else 1]
    # float32, as the published programs draw up their tables: whole pixels and levels come from these numbers
    return float(torch.linspace(start, end, bins)[step])


def _enhance(enhancer: Callable[[Image.Image], ImageEnhance._Enhance]) -> Operation:
    return lambda image, strength: enhancer(image).enhance(1.0 + strength)


def _affine(image: Image.Image, *inverse: float) -> Image.Image:
    """Output (x, y) shows input (a x + b y + c, d x + e y + f); black beyond the picture."""
    return image.transform(image.size, Image.Transform.AFFINE, inverse, _BILINEAR, fillcolor=0)


OPERATIONS: dict[str, Operation] = {
    "Identity": lambda image, _: image,
    "ShearX": lambda image, slope: _affine(image, 1.0, slope, 0.0, 0.0, 1.0, 0.0),
    "ShearY": lambda image, slope: _affine(image, 1.0, 0.0, 0.0, slope, 1.0, 0.0),
    "TranslateX": lambda image, pixels: _affine(image, 1.0, 0.0, -int(pixels), 0.0, 1.0, 0.0),
    "TranslateY": lambda image, pixels: _affine(image, 1.0, 0.0, 0.0, 0.0, 1.0, -int(pixels)),
    "Rotate": lambda image, degrees: image.rotate(degrees, _BILINEAR, fillcolor=0),
    "Brightness": _enhance(ImageEnhance.Brightness),
    "Color": _enhance(ImageEnhance.Color),
    "Contrast": _enhance(ImageEnhance.Contrast),
    "Sharpness": _enhance(ImageEnhance.Sharpness),
    "Posterize": lambda image, bits: ImageOps.posterize(image, int(bits)),
    "Solarize": lambda image, threshold: ImageOps.solarize(image, threshold),  # type: ignore[arg-type]
    "AutoContrast": lambda image, _: ImageOps.autocontrast(image),
    "Equalize": lambda image, _: ImageOps.equalize(image),
}
"""Name -> what it does to a picture with a signed strength."""

NAMES = tuple(OPERATIONS)

SIGNED = frozenset(
    ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness")
)
"""Operations that are turned round half of the time."""

_RANGES: dict[str, tuple[float, float]] = {
    "ShearX": (0.0, 0.3),
    "ShearY": (0.0, 0.3),
    "TranslateX": (0.0, 150.0 / 331.0),
    "TranslateY": (0.0, 150.0 / 331.0),
    "Rotate": (0.0, 30.0),
    "Brightness": (0.0, 0.9),
    "Color": (0.0, 0.9),
    "Contrast": (0.0, 0.9),
    "Sharpness": (0.0, 0.9),
    "Solarize": (255.0, 0.0),
}
"""No effect and the greatest; translations as shares of the side."""
