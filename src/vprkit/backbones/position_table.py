"""Resizing a learned table of positions to another grid of patches, exactly as DINOv2 does.

Three settings occur (SelaVPR specification 1.2). Released models without registers give scale factors made from the
grid plus 0.1, without antialias; released models with registers give the output size, with antialias; the third (size,
no antialias) serves comparison. The first uses the given factor for the sampling coordinates too, so its points are
slightly compressed towards the top left: results differ visibly from resizing to a size.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from vprkit.errors import VprError


def resize_position_table(
    table: Tensor, grid: tuple[int, int], *, offset: float = 0.0, antialias: bool = False
) -> Tensor:
    """The position table of another patch grid.

    Args:
        table: (1, 1 + M * M, D); row 0 belongs to the class token and is kept, the others are an M x M grid, row-major.
        grid: (h, w) wanted, in patches.
        offset: above 0, the size is asked for through the scale factors (h + offset) / M and (w + offset) / M.
        antialias: widen the bicubic kernel when shrinking (this also changes its shape when enlarging).

    Returns:
        (1, 1 + h * w, D) float32, or the table itself where the grid is M x M already.

    Raises:
        VprError: the table's grid is not square.
    """
    side = math.isqrt(table.shape[1] - 1)
    if side * side != table.shape[1] - 1:
        raise VprError(f"a position table of {table.shape[1]} rows is not one class row and a square grid")
    if grid == (side, side):
        return table
    # Always float32, whatever the network runs in: half precision would move the sampling points.
    cells = table[:, 1:].float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
    if offset > 0:
        factors = ((grid[0] + offset) / side, (grid[1] + offset) / side)
        resized = F.interpolate(cells, scale_factor=factors, mode="bicubic", antialias=antialias)
    else:
        resized = F.interpolate(cells, size=grid, mode="bicubic", antialias=antialias)
    if tuple(resized.shape[-2:]) != grid:
        raise VprError(f"offset {offset} resizes a {side}x{side} table to {tuple(resized.shape[-2:])}, not to {grid}")
    rows = resized.permute(0, 2, 3, 1).reshape(1, grid[0] * grid[1], -1)
    return torch.cat([table[:, :1].float(), rows], dim=1)
