"""The position table of a CLIP ViT for images of another size, as ProGEO resamples it.

Corners stay corners (`align_corners=True`): transformers' own interpolation, and DINOv2's, take half-pixel centres and
give other numbers.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from vprkit.errors import WeightsError


def resize_clip_positions(table: Tensor, side: int) -> Tensor:
    """(1 + g * g, D) positions of a g x g grid of patches -> (1 + side * side, D).

    Args:
        table: row 0 belongs to the class token and stays; the others are the grid, row-major.
        side: patches per side that are wanted.

    Returns:
        float32, or the table itself where it has this size already.

    Raises:
        WeightsError: the table's grid is not square.
    """
    old = math.isqrt(len(table) - 1)
    if old * old != len(table) - 1:
        raise WeightsError(f"a position table of {len(table)} rows is not one class row and a square grid")
    if old == side:
        return table
    grid = table[1:].float().T.reshape(1, -1, old, old)
    resized = F.interpolate(grid, size=(side, side), mode="bicubic", align_corners=True)
    return torch.cat([table[:1].float(), resized.flatten(2)[0].T])
