"""Pictures of what a method compares: matched cells of two photos, and where a photo is looked at."""

from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from vprkit import device as devices
from vprkit import extras
from vprkit.data import images as pictures
from vprkit.data.decoding import Photo, decode
from vprkit.errors import NotAvailable
from vprkit.features import Features, LocalFeatures
from vprkit.method import Method
from vprkit.report.marks import Mark, lines
from vprkit.rerank.cells import centres

GAP = 8
_MINIMAL = 8
"""Matches that a fundamental matrix needs, and one to tell it from chance."""

HEAT = 0.6
"""Share of the heat in an overlay; the photo is added whole, as published."""


class Matches(Protocol):
    """A second stage that can say what it matched, and where the cells of a grid lie."""

    def matches(self, query: Features, other: Features) -> Tensor:
        """(M, 2) matched cells of a query and of another image (one row of features each)."""

    def positions(self, grid: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
        """(h * w, 2) pixels (x, y) of the cells of a grid (h, w) in an image of (H, W) pixels."""


class Attention(Protocol):
    """A network that can say where it looks."""

    def heat_map(self, images: Tensor) -> Tensor:
        """(B, h, w) values, higher where it looks."""


class Pair(NamedTuple):
    """Matched positions of two photos.

    Attributes:
        first, second: (M, 2) pixels (x, y) in the photos as the method sees them.
        size: (height, width) that it sees.
        descriptors: (M, 2, C) of the matched cells; None where they are not known.
        saliency: (M,) mean of both cells' saliency; None where the method has none.
    """

    first: np.ndarray
    second: np.ndarray
    size: tuple[int, int]
    descriptors: np.ndarray | None = None
    saliency: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> "Pair":
        """Some of the matches, by number or by a mask."""
        descriptors, saliency = (None if part is None else part[rows] for part in (self.descriptors, self.saliency))
        return Pair(self.first[rows], self.second[rows], self.size, descriptors, saliency)


def match(method: Method, first: Photo, second: Photo) -> Pair:
    """What the method's second stage matches between two photos.

    Raises:
        NotAvailable: it has none, or none that works on a grid of cells.
    """
    if not hasattr(method.reranker, "matches"):
        raise NotAvailable(f"method '{method.name}' has no matches to show")
    tensors = [pictures.prepare(photo, method.preprocessing) for photo in (first, second)]
    features = [method.describe_batch(tensor[None]) for tensor in tensors]
    maps = [one.local for one in features if one.local is not None and one.local.grid is not None]
    if len(maps) < 2:
        raise NotAvailable(f"the local features of '{method.name}' lie on no grid")
    pairs = method.reranker.matches(*features).cpu()
    height, width = tensors[0].shape[-2:]
    cells = [local.map(Tensor.cpu) for local in maps]
    # NumPy takes a tensor of one number for a single row, so the positions are chosen by an array.
    chosen = pairs.numpy()
    where = [_positions(method.reranker, local, (height, width))[chosen[:, side]] for side, local in enumerate(cells)]
    descriptors = torch.stack([local.tokens[0, pairs[:, side]] for side, local in enumerate(cells)], 1)
    salient = [local.saliency[0, pairs[:, side]] for side, local in enumerate(cells) if local.saliency is not None]
    mean = torch.stack(salient).mean(0).numpy() if len(salient) == 2 else None
    return Pair(where[0], where[1], (height, width), descriptors.numpy(), mean)


def consistent(pair: Pair, pixels: float = 5.0) -> Pair:
    """The matches that one fundamental matrix explains (RANSAC): an outlier filter for pictures, never for scores.

    Args:
        pair: what was matched.
        pixels: greatest distance from the epipolar line.

    Raises:
        MissingExtra: kornia is not installed.
    """
    if len(pair.first) < _MINIMAL:
        return pair.take(np.zeros(0, int))
    ransac = extras.require("train", "kornia.geometry.ransac").RANSAC("fundamental", inl_th=pixels, seed=0)
    _, inliers = ransac(*(torch.from_numpy(side).float() for side in (pair.first, pair.second)))
    return pair.take(inliers.numpy().astype(bool))


def draw_matches(
    first: Photo, second: Photo, pair: Pair, most: int = 100, *, mark: Mark = lines, scale: int = 1
) -> Image.Image:
    """Both photos beside each other, a mark for each match; of many, `most` spread evenly.

    Args:
        first, second: the photos.
        pair: what was matched.
        most: marks at most; `vprkit.report.choosing` chooses otherwise beforehand.
        mark: `lines` or `points` of `vprkit.report.marks`.
        scale: pixels of the picture per pixel that the method sees.
    """
    height, width = (scale * side for side in pair.size)
    aside = np.array((width + scale * GAP, 0))
    sheet = Image.new("RGB", (2 * width + scale * GAP, height), "white")
    for number, photo in enumerate((first, second)):
        sheet.paste(decode(photo).resize((width, height)), (number * int(aside[0]), 0))
    draw = ImageDraw.Draw(sheet)
    chosen = np.unique(np.linspace(0, len(pair.first) - 1, min(most, len(pair.first))).astype(int))
    colours = (255 * _jet(chosen / max(1, len(pair.first) - 1))).astype(int)
    for place, (red, green, blue) in zip(chosen, colours.tolist(), strict=True):
        mark(draw, scale * pair.first[place], scale * pair.second[place] + aside, (red, green, blue), scale)
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
    image = decode(photo)
    span = heat.max() - heat.min()
    scaled = (heat - heat.min()) / span if span > 0 else np.zeros_like(heat)
    large = Image.fromarray(scaled.astype(np.float32)).resize(image.size, Image.Resampling.BILINEAR)
    mixed = HEAT * 255 * _jet(np.asarray(large)) + np.asarray(image, np.float32)
    return Image.fromarray((255 * mixed / max(1.0, float(mixed.max()))).astype(np.uint8))


def _positions(reranker: Any, local: LocalFeatures, size: tuple[int, int]) -> np.ndarray:
    """Where a second stage says that the cells lie; one of another package that does not say has patches."""
    if local.positions is not None:
        return local.positions[0].numpy()
    assert local.grid is not None, "the caller has looked"
    found: np.ndarray = getattr(reranker, "positions", centres)(local.grid, size)
    return found


def _jet(values: np.ndarray) -> np.ndarray:
    """(..., 3) blue over green to red for values from 0 to 1."""
    shifted = np.stack([values - 0.75, values - 0.5, values - 0.25], -1)
    colours: np.ndarray = np.clip(1.5 - 4 * np.abs(shifted), 0, 1)
    return colours
