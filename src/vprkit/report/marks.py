"""Marks on two photos for one match: a line between them, or a point in each."""

from collections.abc import Callable

import numpy as np
from PIL import ImageDraw

Colour = tuple[int, int, int]
Mark = Callable[[ImageDraw.ImageDraw, np.ndarray, np.ndarray, Colour, int], None]
"""Draws (x, y) of one photo and (x, y) of the other in a colour, at a scale in pixels per thin line."""

RADIUS = 4.0


def lines(draw: ImageDraw.ImageDraw, start: np.ndarray, end: np.ndarray, colour: Colour, scale: int) -> None:
    """A line from one to the other."""
    draw.line([*map(int, start), *map(int, end)], fill=colour, width=scale)


def points(draw: ImageDraw.ImageDraw, start: np.ndarray, end: np.ndarray, colour: Colour, scale: int) -> None:
    """A disc in each, with a light rim that stands out from any photo."""
    reach = RADIUS * scale
    for x, y in (start, end):
        draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=colour, outline="white", width=scale)
