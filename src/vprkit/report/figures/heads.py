"""Where each attention head of a block looks, and where they look together."""

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from vprkit.backbones.patch_features import min_max
from vprkit.backbones.vit import Facet
from vprkit.data.decoding import Photo
from vprkit.errors import ConfigError
from vprkit.method import Method
from vprkit.report.figures.canvas import new_figure, show_picture
from vprkit.report.figures.looking import Seen, enlarged, look, trunk_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROW = 6
"""Heads in a row, as published."""

BLUR = 0.5
"""Standard deviation of the overlay's blur, in patches; the publication names none."""


def head_logits(method: Method, photo: Photo, block: int = -1) -> tuple[Seen, np.ndarray]:
    """The photo as seen, and (heads, H, W) how each head's class token attends to it.

    Args:
        method: any whose network holds one ViT.
        photo: see `vprkit.method.Photo`.
        block: 0-based; negative numbers count from the last.

    Returns:
        Logits before the softmax, brought from patches to pixels bilinearly.
    """
    seen = look(method, photo, [(block, Facet.CLASS_ATTENTION)])
    return seen, enlarged(seen.tensors[0].reshape(-1, *seen.grid), seen.size)


def mean_saliency(seen: Seen, blur: float = BLUR) -> np.ndarray:
    """(H, W) the mean over heads, stretched to 0..1 within the photo, at its pixels, blurred by a Gaussian.

    Args:
        seen: with the class token's attention as its first tensor.
        blur: standard deviation in patches.

    Raises:
        ConfigError: it is negative.
    """
    if blur < 0:
        raise ConfigError(f"blur is a standard deviation in patches, got {blur:g}")
    shares = min_max(seen.tensors[0].mean(0, keepdim=True)).nan_to_num(0.0)[0]
    large = enlarged(shares.reshape(seen.grid), seen.size)
    sides = [blur * side / cells for side, cells in zip(seen.size, seen.grid, strict=True)]
    return np.asarray(ndimage.gaussian_filter(large, sides))


def head_attention(method: Method, photo: Photo, block: int = -1, *, blur: float = BLUR) -> "Figure":
    """The photo, the mean saliency over it, and below the logits of every head in rows of six.

    Args:
        method, photo, block: as of `head_logits`.
        blur: of the overlay, in patches.

    Raises:
        NotAvailable: the network holds no ViT, or several.
        ConfigError: there is no such block.
        MissingExtra: matplotlib is not installed.
    """
    seen, logits = head_logits(method, photo, block)
    rows, tall = math.ceil(len(logits) / ROW), seen.size[0] / seen.size[1]
    title = f"{method.name}: attention of block {block % len(trunk_of(method).blocks)}"
    figure = new_figure(9.0, 0.5 + 4.4 * tall + rows * (1.5 * tall + 0.3), title)
    grid = figure.add_gridspec(1 + rows, ROW, height_ratios=[3.0, *[1.0] * rows])
    show_picture(figure.add_subplot(grid[0, : ROW // 2]), seen.picture, "as the network sees it")
    together = figure.add_subplot(grid[0, ROW // 2 :])
    show_picture(together, seen.picture)
    show_picture(together, mean_saliency(seen, blur), "mean of all heads", cmap="inferno", alpha=0.6, vmin=0, vmax=1)
    for head, values in enumerate(logits):
        axes = figure.add_subplot(grid[1 + head // ROW, head % ROW])
        show_picture(axes, values, f"head {head}: {values.min():.2g} to {values.max():.2g}", cmap="viridis")
    return figure
