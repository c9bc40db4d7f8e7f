"""The three strongest directions of patch tokens as red, green and blue."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vprkit.backbones.vit import Facet
from vprkit.data.decoding import Photo
from vprkit.data.images import prepare
from vprkit.errors import ConfigError
from vprkit.method import Method
from vprkit.report.figures.canvas import new_figure, show_picture
from vprkit.report.figures.looking import as_picture, look, trunk_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLIP = 2.0
"""Median deviations beyond which a value is an outlier, as published."""


def robust_pca(tokens: Tensor, clip: float = CLIP) -> np.ndarray:
    """(N, D) tokens -> (N, 3) shares of the three strongest principal components.

    What lies farther than `clip` median absolute deviations from a component's median takes the colour of the farthest
    that does not, so that a few outliers cannot make all others one colour. A component's sign, which PCA leaves open,
    is the one that makes its largest loading positive.

    Raises:
        ConfigError: there are fewer than three tokens or channels.
    """
    if min(tokens.shape) < 3:
        raise ConfigError(f"three components need three patches and channels, got {tuple(tokens.shape)}")
    centred = tokens.double() - tokens.double().mean(0)
    loadings = torch.linalg.svd(centred, full_matrices=False)[2][:3]
    largest = loadings.gather(1, loadings.abs().argmax(1, keepdim=True))
    values = (centred @ (loadings * largest.sign()).T).numpy()
    away = np.abs(values - np.median(values, 0))
    inside = np.ma.masked_array(values, away > clip * np.median(away, 0))
    low, high = inside.min(0).filled(0), inside.max(0).filled(0)
    # A component without spread is grey.
    return np.where(high > low, (values - low).clip(0, high - low) / np.where(high > low, high - low, 1), 0.5)


def default_blocks(depth: int) -> tuple[int, int]:
    """Two thirds up and the last: the published 15 and 23 of 24."""
    return max(0, 2 * depth // 3 - 1), depth - 1


def token_pca(
    methods: Method | Sequence[Method], photos: Photo | Sequence[Photo], blocks: Sequence[int] | None = None
) -> "Figure":
    """Maps of patch tokens in colours; patches of one colour are alike to the network.

    One PCA per method and block over all photos together, so that colours compare down a column. Between columns they
    do not.

    Args:
        methods: one, or several such as a network before and after training; each holds one ViT.
        photos: one or several; a row each.
        blocks: 0-based, negative numbers count from the last; default two thirds up and the last of each method.

    Raises:
        NotAvailable: a network holds no ViT, or several.
        ConfigError: there is no such block, or nothing to draw.
        MissingExtra: matplotlib is not installed.
    """
    shown = [methods] if isinstance(methods, Method) else list(methods)
    rows = [photos] if isinstance(photos, (str, Path, bytes, Image.Image, np.ndarray)) else list(photos)
    if not shown or not rows:
        raise ConfigError("a PCA map needs a method and a photo")
    names = [method.name if len(shown) == 1 else f"{method.name} ({_weights(method)})" for method in shown]
    columns = [
        column for method, name in zip(shown, names, strict=True) for column in _columns(method, name, rows, blocks)
    ]
    height, width = columns[0][1][0].shape[:2]
    figure = new_figure(2.4 * (1 + len(columns)), 0.4 + len(rows) * 2.4 * height / width)
    axes = figure.subplots(len(rows), 1 + len(columns), squeeze=False)
    for place, (title, pictures) in enumerate([_photos(shown[0], rows), *columns]):
        for row, picture in enumerate(pictures):
            show_picture(axes[row, place], picture, "" if row else title)
    return figure


Column = tuple[str, list[np.ndarray]]
"""A title, and one picture for each photo."""


def _weights(method: Method) -> str:
    """What tells two networks of one name apart."""
    return "no weights" if method.weights is None else Path(method.weights.path).name


def _photos(method: Method, photos: Sequence[Photo]) -> Column:
    preprocessing = method.preprocessing
    return "as the network sees it", [as_picture(prepare(photo, preprocessing), preprocessing) for photo in photos]


def _columns(method: Method, name: str, photos: Sequence[Photo], blocks: Sequence[int] | None) -> list[Column]:
    depth = len(trunk_of(method).blocks)
    wanted = tuple(dict.fromkeys(default_blocks(depth) if blocks is None else blocks))
    seen = [look(method, photo, [(block, Facet.TOKEN) for block in wanted]) for photo in photos]
    columns = []
    for place, block in enumerate(wanted):
        parts = [one.tensors[place] for one in seen]
        ends = np.cumsum([len(part) for part in parts])[:-1]
        colours = np.split(robust_pca(torch.cat(parts)), ends)
        maps = [part.reshape(*one.grid, 3) for part, one in zip(colours, seen, strict=True)]
        columns.append((f"{name}, block {block % depth}", maps))
    return columns
