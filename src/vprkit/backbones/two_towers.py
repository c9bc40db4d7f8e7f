"""Networks with an image and a text tower that end in one space: their sizes, and what all of them do."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from vprkit.config import option
from vprkit.errors import ConfigError, VprError

Family = Literal["blip", "clip", "siglip"]
HEAD = 64
"""Channels of an attention head in every released tower."""


@dataclass(frozen=True)
class TowerSizes:
    """Sizes of both towers; the defaults are those of `blip-itm-base-coco`."""

    family: Family = option("blip", "blip, clip or siglip")
    width: int = option(768, "image tower: numbers of a token")
    layers: int = option(12, "image tower: blocks")
    heads: int = option(0, "image tower: of every attention; 0: one per 64 numbers")
    hidden: int = option(3072, "image tower: width inside the feed-forward layers")
    image_size: int = option(384, "side of the images, which positions are made for")
    patch: int = option(16, "side of a patch")
    text_width: int = option(768, "text tower: numbers of a token")
    text_layers: int = option(12, "text tower: blocks")
    text_heads: int = option(0, "text tower: of every attention; 0: one per 64 numbers")
    text_hidden: int = option(3072, "text tower: width inside the feed-forward layers")
    vocabulary: int = option(30524, "tokens that the text tower knows")
    positions: int = option(512, "tokens of the longest text; what is longer is cut")
    dim: int = option(256, "of the space that images and texts share")

    def __post_init__(self) -> None:
        sizes = (self.width, self.layers, self.hidden, self.image_size, self.patch, self.text_width, self.text_layers,
                 self.text_hidden, self.vocabulary, self.positions, self.dim)  # fmt: skip
        if min(sizes) < 1 or min(self.heads, self.text_heads) < 0:
            raise ConfigError(f"every size of the towers must be positive, got {self}")
        if self.image_size % self.patch:
            raise ConfigError(f"image_size {self.image_size} is no multiple of the patch {self.patch}")
        for name, width, heads in (
            ("width", self.width, self.image_heads),
            ("text_width", self.text_width, self.heads_of_text),
        ):
            if width % heads:
                raise ConfigError(f"{name} {width} cannot be shared by {heads} attention heads")

    @property
    def image_heads(self) -> int:
        return self.heads or max(1, self.width // HEAD)

    @property
    def heads_of_text(self) -> int:
        return self.text_heads or max(1, self.text_width // HEAD)


class Towers(Protocol):
    """An image and a text tower; an `nn.Module`."""

    def image_vectors(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) images to (B, D) unit vectors."""

    def text_vectors(self, ids: Tensor, mask: Tensor | None) -> Tensor:
        """(B, T) token ids and their mask, 1 where there is a token, to (B, D) unit vectors; without mask all count."""


def check_side(images: Tensor, side: int) -> None:
    """Refuse images of another size than there are positions for.

    Raises:
        VprError: they are of another size.
    """
    if images.shape[-2:] != (side, side):
        raise VprError(f"these towers have positions for images of {side}x{side}, got {images.shape[-2]}x"
                       f"{images.shape[-1]}; use resize={side}")  # fmt: skip


def with_numbers(module: nn.Module) -> nn.Module:
    """transformers' lists of position numbers made on the CPU, also where the module itself is made without numbers.

    They are no weights, so no file fills them.
    """
    for part in module.modules():
        held: Any = part._buffers.get("position_ids")
        if held is not None:
            part._buffers["position_ids"] = torch.arange(held.shape[-1], device="cpu")[None]
    return module
