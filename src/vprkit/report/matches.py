"""Pictures of what a method compares: matched cells of two photos, and where a photo is looked at."""

from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from vprkit import device as devices
from vprkit import extras
from vprkit.data import images as pictures
from vprkit.errors import NotAvailable
from vprkit.features import Features
from vprkit.method import Method, Photo

GAP = 8
_MINIMAL = 8
"""Matches that a fundamental matrix needs, and one to tell it from chance."""

HEAT = 0.6
"""Share of the heat in an overlay; the photo is added whole, as published."""


class Matches(Protocol):
    """A second stage that can say what it matched."""

    def matches(self, query: Features, other: Features) -> Tensor:
        """(M, 2) matched cells of a query and of another image (one row of features each)."""


class Attention(Protocol):
    """A network that can say where it looks."""

    def heat_map(self, images: Tensor) -> Tensor:
        """(B, h, w) values, higher where it looks."""


class Pair(NamedTuple):
    """Matched positions of two photos.

    Attributes:
        first, second: (M, 2) pixels (x, y) in the photos as the method sees them.
        size: (height, width) that it sees.
    """

    first: np.ndarray
    second: np.ndarray
    size: tuple[int, int]


def match(method: Method, first: Photo, second: Photo) -> Pair:
    """What the method's second stage matches between two photos.

    Raises:
        NotAvailable: it has none, or none that works on a grid of cells.
    """
    if not hasattr(method.reranker, "matches"):
        raise NotAvailable(f"method '{method.name}' has no matches to show")
    tensors = [pictures.prepare(photo, method.preprocessing) for photo in (first, second)]
    features = [method.describe_batch(tensor[None]) for tensor in tensors]
    grids = [None if one.local is None else one.local.grid for one in features]
    if None in grids:
        raise NotAvailable(f"the local features of '{method.name}' lie on no grid")
    pairs = method.reranker.matches(*features).cpu().numpy()
    height, width = tensors[0].shape[-2:]
    points = [_pixels(pairs[:, side], grid, (height, width)) for side, grid in enumerate(grids) if grid is not None]
    return Pair(points[0], points[1], (height, width))


def consistent(pair: Pair, pixels: float = 5.0) -> Pair:
    """The matches that one fundamental matrix explains (RANSAC): an outlier filter for pictures, never for scores.

    Args:
        pair: what was matched.
        pixels: greatest distance from the epipolar line.

    Raises:
        MissingExtra: kornia is not installed.
    """
    if len(pair.first) < _MINIMAL:
        return pair._replace(first=pair.first[:0], second=pair.second[:0])
    ransac = extras.require("train", "kornia.geometry.ransac").RANSAC("fundamental", inl_th=pixels, seed=0)
    _, inliers = ransac(*(torch.from_numpy(side).float() for side in (pair.first, pair.second)))
    kept = inliers.numpy().astype(bool)
    return pair._replace(first=pair.first[kept], second=pair.second[kept])


def draw_matches(first: Photo, second: Photo, pair: Pair, most: int = 100) -> Image.Image:
    """Both photos beside each other, a line for each match; of many, `most` spread evenly.

    Args:
        first, second: the photos.
        pair: what was matched.
        most: lines at most.
    """
    height, width = pair.size
    sheet = Image.new("RGB", (2 * width + GAP, height), "white")
    for number, photo in enumerate((first, second)):
        sheet.paste(pictures.decode(photo).resize((width, height)), (number * (width + GAP), 0))
    draw = ImageDraw.Draw(sheet)
    chosen = np.unique(np.linspace(0, len(pair.first) - 1, min(most, len(pair.first))).astype(int))
    for place in chosen if len(pair.first) else ():
        start, end = pair.first[place], pair.second[place] + (width + GAP, 0)
        colour = _jet(np.array([place / max(1, len(pair.first) - 1)]))[0]
        draw.line([*map(int, start), *map(int, end)], fill=tuple(int(255 * part) for part in colour), width=1)
    return sheet


def draw_attention(method: Method, photo: Photo) -> Image.Image:
    """The photo with a heat map of where the network looks.

    Raises:
        NotAvailable: the network cannot say.
    """
    network: Any = method.network
    if not hasattr(network, "heat_map"):
        raise NotAvailable(f"method '{method.name}' has no attention to show")
    tensor = pictures.prepare(photo, method.preprocessing)[None].to(method.device)
    with devices.inference(method.device, method.precision):
        heat = network.heat_map(tensor)[0].float().cpu().numpy()
    image = pictures.decode(photo)
    span = heat.max() - heat.min()
    scaled = (heat - heat.min()) / span if span > 0 else np.zeros_like(heat)
    large = Image.fromarray(scaled.astype(np.float32)).resize(image.size, Image.Resampling.BILINEAR)
    mixed = HEAT * 255 * _jet(np.asarray(large)) + np.asarray(image, np.float32)
    return Image.fromarray((255 * mixed / max(1.0, float(mixed.max()))).astype(np.uint8))


def _pixels(cells: np.ndarray, grid: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """(M, 2) pixels (x, y) of cells that are spread from one pixel to the last but one, as published."""
    rows = np.linspace(1, size[0] - 1, grid[0]).astype(int)
    columns = np.linspace(1, size[1] - 1, grid[1]).astype(int)
    return np.stack([columns[cells % grid[1]], rows[cells // grid[1]]], 1)


def _jet(values: np.ndarray) -> np.ndarray:
    """(..., 3) blue over green to red for values from 0 to 1."""
    shifted = np.stack([values - 0.75, values - 0.5, values - 0.25], -1)
    colours: np.ndarray = np.clip(1.5 - 4 * np.abs(shifted), 0, 1)
    return colours
