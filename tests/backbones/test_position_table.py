"""The position table against sums written out by hand."""

import math

import pytest
import torch
from torch import Tensor

from vprkit.backbones.position_table import resize_position_table
from vprkit.errors import VprError


def cubic(distance: float, a: float) -> float:
    d = abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def resized_by_loops(cells: Tensor, size: int, scale: float) -> Tensor:
    """One axis of bicubic resizing without antialias: (M, D) -> (size, D), source = (dst + 0.5) / scale - 0.5."""
    rows = []
    for target in range(size):
        source = (target + 0.5) / scale - 0.5
        first = math.floor(source)
        row = torch.zeros(cells.shape[1], dtype=torch.float64)
        for tap in range(first - 1, first + 3):
            row += cubic(source - tap, -0.75) * cells[min(max(tap, 0), len(cells) - 1)].double()
        rows.append(row)
    return torch.stack(rows)


@pytest.mark.parametrize("offset", [0.0, 0.1])
@pytest.mark.parametrize("grid", [(3, 4), (9, 2), (5, 5)])
def test_both_axes_follow_the_formula(offset: float, grid: tuple[int, int]) -> None:
    side, width = 6, 3
    table = torch.randn(1, 1 + side * side, width, generator=torch.Generator().manual_seed(0))
    actual = resize_position_table(table, grid, offset=offset)
    cells = table[0, 1:].reshape(side, side * width)
    down = resized_by_loops(cells, grid[0], (grid[0] + offset) / side).reshape(grid[0], side, width)
    across = [resized_by_loops(row, grid[1], (grid[1] + offset) / side) for row in down]
    torch.testing.assert_close(actual[0, 1:].double(), torch.cat(across), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(actual[:, 0], table[:, 0])


def test_the_three_settings_differ() -> None:
    table = torch.randn(1, 37 * 37 + 1, 2, generator=torch.Generator().manual_seed(0))
    released = resize_position_table(table, (16, 16), offset=0.1)
    registers = resize_position_table(table, (16, 16), antialias=True)
    plain = resize_position_table(table, (16, 16))
    assert (released - plain).abs().max() > 0.1
    assert (registers - plain).abs().max() > 0.1


def test_its_own_grid_is_used_as_is_but_only_square() -> None:
    table = torch.randn(1, 17, 2)
    assert resize_position_table(table, (4, 4), offset=0.1) is table
    assert not torch.equal(resize_position_table(table, (2, 8), offset=0.1), table)


def test_half_precision_is_resized_in_float32() -> None:
    table = torch.randn(1, 17, 2).bfloat16()
    assert resize_position_table(table, (3, 3)).dtype == torch.float32


def test_a_table_that_is_no_square_grid_is_refused() -> None:
    with pytest.raises(VprError, match="16 rows"):
        resize_position_table(torch.zeros(1, 16, 2), (3, 3))
