"""Where the cells of a grid of local features lie in the image, for pictures."""

import numpy as np

Size = tuple[int, int]


def centres(grid: Size, size: Size) -> np.ndarray:
    """(h * w, 2) pixels (x, y) of the centres of patches that tile an image.

    Args:
        grid: (h, w) cells.
        size: (H, W) pixels.
    """
    rows, columns = ((np.arange(cells) + 0.5) * side / cells for cells, side in zip(grid, size, strict=True))
    return _every(rows, columns)


def ends(grid: Size, size: Size) -> np.ndarray:
    """The same of cells that are spread from one pixel to the last but one, as SelaVPR draws its dense map."""
    rows, columns = (np.linspace(1, side - 1, cells).astype(int) for cells, side in zip(grid, size, strict=True))
    return _every(rows, columns)


def _every(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return np.stack([np.tile(columns, len(rows)), np.repeat(rows, len(columns))], 1)
