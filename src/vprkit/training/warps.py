"""Random crops, perspectives and rotations of a batch on any device; every image its own draw.

Draws come from torch's global generator on the CPU, so that a seed gives the same ones on every device. Pixels follow
the published programs (torchvision's): bilinear, black beyond the picture.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from vprkit.extras import require

RATIOS = (3 / 4, 4 / 3)
"""Least and greatest width over height of a random crop."""

_TRIES = 10


def draw_crops(
    count: int, size: tuple[int, int], least_area: float, generator: torch.Generator | None = None
) -> Tensor:
    """(count, 4) int64 boxes (top, left, height, width) in images of `size` (height, width).

    Areas even in `[least_area, 1]`, ratios log-even in `RATIOS`; of ten tries the first that fits counts, else the
    largest centred box whose ratio lies in the range.
    """
    height, width = size
    area = (
        height
        * width
        * (least_area + (1 - least_area) * torch.rand(count, _TRIES, dtype=torch.float64, generator=generator))
    )
    low, high = map(math.log, RATIOS)
    ratio = torch.exp(low + (high - low) * torch.rand(count, _TRIES, dtype=torch.float64, generator=generator))
    sides = torch.stack([(area / ratio).sqrt().round(), (area * ratio).sqrt().round()], -1).long()
    limits = torch.tensor(size)
    fits = ((sides > 0) & (sides <= limits)).all(-1)
    chosen = sides[torch.arange(count), fits.int().argmax(1)]  # the first that fits
    corners = (torch.rand(count, 2, dtype=torch.float64, generator=generator) * (limits - chosen + 1)).long()
    boxes = torch.cat([corners, chosen], 1)
    return torch.where(fits.any(1, keepdim=True), boxes, torch.tensor(_central_box(size)))


def _central_box(size: tuple[int, int]) -> tuple[int, int, int, int]:
    height, width = size
    low, high = RATIOS
    if width / height < low:
        height = round(width / low)
    elif width / height > high:
        width = round(height * high)
    return (size[0] - height) // 2, (size[1] - width) // 2, height, width


def crop(images: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut every image to its box and resize it: (B, C, H, W) and (B, 4) boxes to (B, C, *size).

    Bilinear with half-pixel centres, antialiased where it shrinks.
    """
    cut = (images[i : i + 1, :, y : y + h, x : x + w] for i, (y, x, h, w) in enumerate(boxes.tolist()))
    resized = [F.interpolate(one, size, mode="bilinear", align_corners=False, antialias=True) for one in cut]
    return torch.cat(resized)


def draw_perspectives(count: int, size: tuple[int, int], distortion: float) -> Tensor:
    """(count, 3, 3) float64 maps that move each corner inwards by up to `distortion` of half a side, in whole pixels.

    They act on (x, y) in pixels with the centre of the first one at 0, from a picture's points to where they go.
    """
    height, width = size
    corners = torch.tensor([(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)], dtype=torch.float64)
    inwards = torch.tensor([(1, 1), (-1, 1), (-1, -1), (1, -1)])
    limits = torch.tensor([int(distortion * (width // 2)), int(distortion * (height // 2))])
    steps = (torch.rand(count, 4, 2, dtype=torch.float64) * (limits + 1)).long()
    starts = corners.expand(count, 4, 2)
    maps: Tensor = require("train", "kornia.geometry.transform").get_perspective_transform(
        starts, starts + inwards * steps
    )
    shift = torch.eye(3, dtype=torch.float64)
    shift[:2, 2] = 0.5  # the published corners are counted from the edge of the first pixel, not from its centre
    return shift.inverse() @ maps @ shift


def draw_rotations(count: int, size: tuple[int, int], degrees: float) -> Tensor:
    """(count, 3, 3) float64 maps that turn about the centre, evenly between `degrees` to the right and to the left."""
    angles = torch.deg2rad(degrees * (2 * torch.rand(count, dtype=torch.float64) - 1))
    cos, sin, zero = angles.cos(), angles.sin(), torch.zeros(count, dtype=torch.float64)
    x, y = (size[1] - 1) / 2, (size[0] - 1) / 2
    rows = [cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y, zero, zero, zero + 1]
    return torch.stack(rows, 1).view(count, 3, 3)


def warp(images: Tensor, maps: Tensor) -> Tensor:
    """Move the points of every image by its map: (B, C, H, W) and (B, 3, 3) to (B, C, H, W)."""
    warped: Tensor = require("train", "kornia.geometry.transform").warp_perspective(
        images, maps.to(images.device, images.dtype), images.shape[-2:], mode="bilinear", padding_mode="zeros"
    )
    return warped
