"""Local features out of a ViT: which patches it attends to, and what it knows about them (RerankVPR, section 8.2)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from vprkit.backbones.vit import Facet, ViT
from vprkit.config import option
from vprkit.errors import ConfigError
from vprkit.features import LocalFeatures

OUTER = 0.01
"""Share of the patches at either end that counts as outliers."""


@dataclass(frozen=True)
class PatchConfig:
    """What is read out of a ViT for every patch."""

    layer: int = option(-2, "block that descriptors come from; 0-based, negative numbers count from the last")
    facet: Literal["value", "key", "query", "token"] = option("value", "what of it: of its attention, or its output")
    saliency_layer: int = option(-1, "block whose class token says what is salient")
    saliency: Literal["min_max", "clipped", "softmax"] = option(
        "min_max", "logits stretched to 0..1 within an image, as published; clipped: without the outermost hundredths, "
        "the outliers; softmax: probabilities stretched likewise, which want far lower thresholds",
    )  # fmt: skip
    bins: int = option(0, "levels of log-binning; 0: patches alone (D numbers instead of D * (1 + 8 * levels))")

    def __post_init__(self) -> None:
        if self.bins < 0:
            raise ConfigError(f"bins counts levels of log-binning, got {self.bins}")


@dataclass(frozen=True)
class Described:
    """What a network gives, and from the same pass descriptors and saliency of its ViT's patches.

    Attributes:
        output: of the network.
        local: (B, P, C) unit descriptors with (B, P) saliency, row-major on the grid.
    """

    output: Any
    local: LocalFeatures


def describe_patches(
    trunk: ViT, images: Tensor, patches: PatchConfig, run: Callable[[Tensor], Any] | None = None
) -> Described:
    """Run a network once and read descriptors of patches out of its ViT.

    Args:
        trunk: the ViT, with or without registers; these and the class token are no patches.
        images: (B, 3, H, W).
        patches: what is read.
        run: the network around the ViT; default the ViT's features.

    Raises:
        ConfigError: the ViT has no such block, or the network does not run it.
    """
    wanted = ((patches.layer, Facet(patches.facet)), (patches.saliency_layer, Facet.CLASS_ATTENTION))
    with trunk.tapped(wanted) as taps:
        output = (run or trunk.features)(images)
    facet, attention = taps.tensors()
    first, grid = 1 + trunk.config.num_register_tokens, taps.grid
    tokens = (joined_heads(facet) if facet.dim() == 4 else facet)[:, first:]
    if patches.bins:
        tokens = log_bins(tokens, grid, patches.bins)
    saliency = _SALIENCY[patches.saliency](attention.float(), first)
    counts = torch.full((len(tokens),), tokens.shape[1], device=tokens.device)
    return Described(output, LocalFeatures(unit(tokens.float()), counts, grid, saliency=saliency))


def min_max(attention: Tensor) -> Tensor:
    """(B, P) logits of the class token's attention to patches -> (B, P) shares from 0 to 1 within each image.

    An image whose values are all equal has no salient patch: its shares are NaN, above no threshold.
    """
    least, greatest = attention.aminmax(dim=1, keepdim=True)
    return (attention - least) / (greatest - least)


def clipped(attention: Tensor) -> Tensor:
    """The same between the first and the last hundredth of the values: one outlier hardly moves the others."""
    least, greatest = torch.quantile(attention, attention.new_tensor([OUTER, 1 - OUTER]), dim=1, keepdim=True)
    shares: Tensor = (attention - least) / (greatest - least)
    return shares.clamp(0, 1)


def _of_logits(attention: Tensor, first: int) -> Tensor:
    return min_max(attention[:, :, first:].mean(1))


def _of_clipped(attention: Tensor, first: int) -> Tensor:
    return clipped(attention[:, :, first:].mean(1))


def _of_probabilities(attention: Tensor, first: int) -> Tensor:
    """What the class token really takes from a patch: each head's softmax over all tokens, averaged, then stretched."""
    return min_max(attention.softmax(-1)[:, :, first:].mean(1))


def joined_heads(facet: Tensor) -> Tensor:
    """(B, heads, t, d) queries, keys or values -> (B, t, d * heads), heads varying fastest as published."""
    return facet.permute(0, 2, 3, 1).flatten(2)


def unit(tokens: Tensor) -> Tensor:
    """Descriptors divided by their length plus 1e-8: products of such are the published cosines."""
    lengths: Tensor = tokens.norm(dim=-1, keepdim=True)
    return tokens / (lengths + 1e-8)


def log_bins(tokens: Tensor, grid: tuple[int, int], hierarchy: int) -> Tensor:
    """Each patch together with averages around it that widen threefold from level to level (Amir et al., 2021).

    Args:
        tokens: (B, P, D), row-major.
        grid: (h, w), P = h * w.
        hierarchy: levels L.

    Returns:
        (B, P, D * (1 + 8 L)): for each level k the neighbours at distance 3^k, each an average over 3^k x 3^k patches,
        rows outer; the patch itself stands in the middle of the first level alone. Beyond the border the nearest
        average inside counts.
    """
    if hierarchy < 1:
        raise ConfigError(f"log-binning needs at least one level, got {hierarchy}")
    plane = tokens.transpose(1, 2).reshape(len(tokens), tokens.shape[2], *grid)
    return torch.cat(list(_shifted(plane, hierarchy)), 1).flatten(2).transpose(1, 2)


def _shifted(plane: Tensor, hierarchy: int) -> Iterator[Tensor]:
    height, width = plane.shape[-2:]
    rows, columns = (torch.arange(side, device=plane.device) for side in (height, width))
    for level in range(hierarchy):
        step = 3**level
        pooled = plane if step == 1 else F.avg_pool2d(plane, step, 1, step // 2, count_include_pad=False)
        for down in (-step, 0, step):
            for right in (-step, 0, step):
                if level and not (down or right):
                    continue  # the patch itself stands in the first level alone
                picked = pooled[:, :, (rows + down).clamp(0, height - 1)]
                yield picked[:, :, :, (columns + right).clamp(0, width - 1)]


_SALIENCY: Mapping[str, Callable[[Tensor, int], Tensor]] = {
    "min_max": _of_logits,
    "clipped": _of_clipped,
    "softmax": _of_probabilities,
}
"""(B, heads, T) float32 logits of the class token and the number of tokens before the patches -> (B, P) from 0 to 1."""
