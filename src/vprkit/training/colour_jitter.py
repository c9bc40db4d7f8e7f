"""Colour jitter of a batch on any device: every image its own factors, in its own order.

The formulas are those of the published programs (torchvision's), not kornia's additive brightness or scaled HSV
saturation: `blend(a, b, f) = clamp(f a + (1 - f) b, 0, 1)` with b = 0 for brightness, the mean of the image's grey for
contrast, its grey for saturation, where grey = 0.2989 R + 0.587 G + 0.114 B. Hue turns the HSV circle.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from vprkit.extras import require

Adjustment = Callable[[Tensor, Tensor], Tensor]


def draw_factors(count: int, strengths: Sequence[float]) -> Tensor:
    """(count, 4) float32 factors of brightness, contrast, saturation and hue, each even in its range.

    Args:
        count: images.
        strengths: b, c, s and h: factors from `[max(0, 1 - b), 1 + b]`, the hue's turns from `[-h, h]`.
    """
    *blends, hue = strengths
    limits = [(max(0.0, 1 - strength), 1 + strength) for strength in blends] + [(-hue, hue)]
    low, high = (torch.tensor(column) for column in zip(*limits, strict=True))
    drawn: Tensor = low + (high - low) * torch.rand(count, 4)
    return drawn


def draw_order(count: int, shuffle: bool) -> Tensor:
    """(count, 4) int64: which adjustment an image gets first, second ...; each row a permutation, or 0 1 2 3."""
    return torch.rand(count, 4).argsort(1) if shuffle else torch.arange(4).repeat(count, 1)


def jitter(images: Tensor, factors: Tensor, order: Tensor, active: Sequence[bool] = (True,) * 4) -> Tensor:
    """Adjust every image by its factors in its order.

    Args:
        images: (B, 3, H, W) floats in [0, 1], left as they are.
        factors: (B, 4) as `draw_factors` gives them.
        order: (B, 4) as `draw_order` gives it; both lie on the CPU, where they decide what is launched.
        active: adjustments that happen at all.

    Returns:
        (B, 3, H, W) in [0, 1].
    """
    images, factors_there = images.clone(), factors.to(images.device, images.dtype)
    for position in range(order.shape[1]):
        for number, adjust in enumerate(ADJUSTMENTS):
            rows = (order[:, position] == number).nonzero()[:, 0].to(images.device)
            if active[number] and len(rows):
                images[rows] = adjust(images[rows], factors_there[rows, number].view(-1, 1, 1, 1))
    return images


def _brightness(images: Tensor, factor: Tensor) -> Tensor:
    return (factor * images).clamp(0, 1)


def _contrast(images: Tensor, factor: Tensor) -> Tensor:
    return _blend(images, _grey(images).mean((-2, -1), keepdim=True), factor)


def _saturation(images: Tensor, factor: Tensor) -> Tensor:
    return _blend(images, _grey(images), factor)


def _hue(images: Tensor, turns: Tensor) -> Tensor:
    turned: Tensor = require("train", "kornia.enhance").adjust_hue(images, turns.flatten() * (2 * math.pi))
    return turned


def _blend(images: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    return (factor * images + (1 - factor) * other).clamp(0, 1)


def _grey(images: Tensor) -> Tensor:
    return 0.2989 * images[:, 0:1] + 0.587 * images[:, 1:2] + 0.114 * images[:, 2:3]


ADJUSTMENTS: tuple[Adjustment, ...] = (_brightness, _contrast, _saturation, _hue)
"""By number: 0 brightness, 1 contrast, 2 saturation, 3 hue."""
