"""Position tables of Pair-VPR's decoder: analytic for training, resized for other images (section III of the paper)."""

import math

import torch
from torch import Tensor

from vprkit.backbones.position_table import resize_position_table
from vprkit.errors import ConfigError, WeightsError


def analytic_table(grid: int, width: int) -> Tensor:
    """Sines and cosines of a cell's column (first half of the channels) and of its row (second half).

    Args:
        grid: g cells a side, row-major.
        width: E, a multiple of 4.

    Returns:
        (g * g, E) float32, computed in float64.

    Raises:
        ConfigError: the width is no multiple of 4.
    """
    if width % 4:
        raise ConfigError(f"position tables of sines and cosines need a width that is a multiple of 4, got {width}")
    quarter = width // 4
    rates = 10000.0 ** (-torch.arange(quarter, dtype=torch.float64) / quarter)
    angles = torch.arange(grid, dtype=torch.float64)[:, None] * rates
    line = torch.cat([angles.sin(), angles.cos()], 1)
    columns, rows = line.repeat(grid, 1), line.repeat_interleave(grid, 0)
    return torch.cat([columns, rows], 1).float()


def with_class_row(table: Tensor) -> Tensor:
    """(N, E) -> (1 + N, E): the class token has a row of zeros before the cells'."""
    return torch.cat([table.new_zeros(1, table.shape[1]), table])


def resized_table(table: Tensor, grid: tuple[int, int]) -> Tensor:
    """A decoder's table for another grid of patches, bicubic without antialias.

    Args:
        table: (g * g, E).
        grid: (h, w) wanted.

    Returns:
        (h * w, E), the table itself where the grid is its own.
    """
    if grid[0] == grid[1] and grid[0] * grid[1] == len(table):
        return table
    return resize_position_table(with_class_row(table)[None], grid)[0, 1:]


def stage_two_tables(table: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """What stage two starts from: `dec_pos_embed` and `dec_pos_embed_cls` made of a stage-one table.

    Args:
        table: (g * g, E) `dec_pos_embed` of a stage-one file, 16 x 16 cells in the released ones.
        side: cells a side at stage two, 23 at 322 px.

    Returns:
        (side * side, E) and (1 + side * side, E), the latter's first row zero.

    Raises:
        WeightsError: the table's rows are no square grid.
    """
    if table.dim() != 2 or math.isqrt(len(table)) ** 2 != len(table):
        raise WeightsError(f"dec_pos_embed has shape {tuple(table.shape)}; a stage-one table holds a square of rows")
    resized = resized_table(table, (side, side))
    return resized, with_class_row(resized)
