"""What a recipe does to training images: RandAugment on 8-bit photos while decoding, the rest on the device's batch.

The order is fixed: RandAugment (`photo_transform`), then colour jitter, perspective, random resized crop, rotation,
horizontal flip (`batch_transform`). It is SelaVPR's and ProGEO's. What differs from the published programs, on purpose:

- SelaVPR changes query photos before they are resized; here images have the network's size and values in [0, 1] already
  (no rounding to 8 bit in between), rotations are bilinear where its default takes the nearest pixel, and every image
  throws its own coin for the flip where SelaVPR throws one per batch. Its jitter is `shuffle_jitter=false`.
- Pair-VPR crops before it jitters, which only changes what the mean grey of contrast is taken over.

ProGEO (jitter in random order per image, then the crop) and the RandAugment of RerankVPR, Pair-VPR and LaVPR are as
published.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from vprkit.config import option
from vprkit.errors import ConfigError
from vprkit.extras import require
from vprkit.training import colour_jitter, warps
from vprkit.training.randaugment import RandAugment

PhotoTransform = Callable[[Image.Image, np.random.Generator], Image.Image]
Step = Callable[[Tensor], Tensor]

BINS = 31
"""Steps of RandAugment's strength, in every published recipe."""


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training images; everything is off unless asked for."""

    rand_augment: int = option(0, "RandAugment: operations per photo; 0 = none (RerankVPR, Pair-VPR and LaVPR: 3)")
    rand_augment_magnitude: int = option(9, "RandAugment: strength, 0 to 30 (LaVPR: 9, BoQ: 15)")
    brightness: float = option(0.0, "factor drawn from [max(0, 1 - b), 1 + b]; multiplies, so below 1 is darker")
    contrast: float = option(0.0, "factor drawn likewise; blends with the image's mean grey")
    saturation: float = option(0.0, "factor drawn likewise; blends with the image in grey")
    hue: float = option(0.0, "turns of the hue circle drawn from [-h, h], at most 0.5")
    shuffle_jitter: bool = option(True, "the four above in a random order per image; else in the order named")
    perspective: float = option(0.0, "half of the images: corners move inwards by up to this share of half a side")
    crop_area: float = option(1.0, "random resized crop: least share of the area that stays; 1 = no crop")
    rotation: float = option(0.0, "degrees, drawn from [-r, r]")
    horizontal_flip: float = option(0.0, "probability; a flipped street is another street, so mostly 0")

    def __post_init__(self) -> None:
        limits = {"brightness": None, "contrast": None, "saturation": None, "hue": 0.5, "perspective": 1.0}
        for name, most in {**limits, "rotation": 180.0, "horizontal_flip": 1.0}.items():
            value = getattr(self, name)
            if not value >= 0 or (most is not None and value > most):
                raise ConfigError(f"{name} must be at least 0{f' and at most {most:g}' if most else ''}, got {value}")
        if not 0 < self.crop_area <= 1:
            raise ConfigError(f"crop_area must be above 0 and at most 1 (no crop), got {self.crop_area}")
        if self.rand_augment < 0:
            raise ConfigError(f"rand_augment must be at least 0 (none), got {self.rand_augment}")
        if not 0 <= self.rand_augment_magnitude < BINS:
            raise ConfigError(f"rand_augment_magnitude must be from 0 to {BINS - 1}, got {self.rand_augment_magnitude}")

    @property
    def jitter(self) -> tuple[float, float, float, float]:
        """Strengths of brightness, contrast, saturation and hue."""
        return self.brightness, self.contrast, self.saturation, self.hue


def photo_transform(augmentation: Augmentation) -> PhotoTransform | None:
    """What to do to an 8-bit photo while it is decoded, or None for nothing.

    Its second argument is the photo's own generator: threads share no random state.
    """
    if not augmentation.rand_augment:
        return None
    return RandAugment(augmentation.rand_augment, augmentation.rand_augment_magnitude, BINS)


def batch_transform(augmentation: Augmentation, size: tuple[int, int] | None = None) -> nn.Module | None:
    """What to do to a batch before it is normalised, or None for nothing.

    Args:
        augmentation: what is asked for.
        size: (height, width) that a random resized crop gives; default: that of the batch.

    Returns:
        A module without weights: (B, 3, H, W) floats in [0, 1] on any device to the same shape. Every image has its own
        draw, all from torch's global generator on the CPU: `torch.manual_seed` repeats them, on every device.

    Raises:
        MissingExtra: kornia is wanted and not installed.
    """
    if augmentation.hue or augmentation.perspective or augmentation.rotation:
        require("train", "kornia.geometry.transform")  # fails here, not in the middle of the first step
    transform = BatchTransform(augmentation, size)
    return transform if transform.steps else None


class BatchTransform(nn.Module):
    """See `batch_transform`."""

    def __init__(self, augmentation: Augmentation, size: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.augmentation = augmentation
        self.size = size
        asked: tuple[tuple[float, Step], ...] = (
            (sum(augmentation.jitter), self._jitter),
            (augmentation.perspective, self._perspective),
            (1 - augmentation.crop_area, self._crop),
            (augmentation.rotation, self._rotation),
            (augmentation.horizontal_flip, self._flip),
        )
        self.steps = [step for strength, step in asked if strength]

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) floats in [0, 1] to the same shape (the crop's `size` where one was given)."""
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            raise ConfigError(
                f"augmentation works on (B, 3, H, W) floats in [0, 1], got {images.dtype} of shape "
                f"{tuple(images.shape)}; a method that takes grey images trains without it"
            )
        for step in self.steps if len(images) else ():
            images = step(images)
        return images

    def extra_repr(self) -> str:
        return str(self.augmentation)

    def _jitter(self, images: Tensor) -> Tensor:
        strengths = self.augmentation.jitter
        factors = colour_jitter.draw_factors(len(images), strengths)
        order = colour_jitter.draw_order(len(images), self.augmentation.shuffle_jitter)
        return colour_jitter.jitter(images, factors, order, [strength > 0 for strength in strengths])

    def _perspective(self, images: Tensor) -> Tensor:
        maps = warps.draw_perspectives(len(images), _size(images), self.augmentation.perspective)
        chosen = torch.rand(len(images)) < 0.5
        return _where(images, chosen, lambda some: warps.warp(some, maps[chosen]))

    def _crop(self, images: Tensor) -> Tensor:
        boxes = warps.draw_crops(len(images), _size(images), self.augmentation.crop_area)
        return warps.crop(images, boxes, self.size or _size(images))

    def _rotation(self, images: Tensor) -> Tensor:
        return warps.warp(images, warps.draw_rotations(len(images), _size(images), self.augmentation.rotation))

    def _flip(self, images: Tensor) -> Tensor:
        return _where(images, torch.rand(len(images)) < self.augmentation.horizontal_flip, lambda some: some.flip(-1))


def _size(images: Tensor) -> tuple[int, int]:
    return images.shape[-2], images.shape[-1]


def _where(images: Tensor, chosen: Tensor, step: Step) -> Tensor:
    """A copy with `step` done to the images that (B,) `chosen` (on the CPU) names."""
    rows = chosen.nonzero()[:, 0].to(images.device)
    return images.index_copy(0, rows, step(images[rows])) if len(rows) else images
