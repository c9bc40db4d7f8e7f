"""Both encoders of the fusion from one vision-language network: its image tower and its text tower (section 2.4).

"Vision-language names load one model for both modalities": BLIP, CLIP, SigLIP, as `lavpr-crossmodal` has them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from vprkit.backbones.text_encoder import Read
from vprkit.errors import ConfigError

OWN = "own"
"""Name of the text encoder that comes with the image method."""


@runtime_checkable
class TwoTowers(Protocol):
    """A network that puts images and texts into one space (`lavpr_crossmodal.network.CrossModal`)."""

    towers: Any

    def read(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """(B, T) ids and mask of B texts."""


@runtime_checkable
class TokenTowers(Protocol):
    """Towers that give a vector for every token, the first one for the whole."""

    def image_tokens(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) images to (B, 1 + N, D) unit vectors."""

    def text_tokens(self, ids: Tensor, mask: Tensor | None) -> Tensor:
        """(B, T) ids and mask to (B, T, D) unit vectors."""


class Tokens(NamedTuple):
    """What an image encoder knows of a batch: (B, D) of the whole and (B, N, D) of its patches."""

    whole: Tensor
    patches: Tensor


class ImageTower(nn.Module):
    """The image half.

    Args:
        network: both towers.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        vectors: Tensor = self.network.towers.image_vectors(images)
        return vectors

    def tokens(self, images: Tensor) -> Tokens:
        """What a pooler looks at.

        Raises:
            ConfigError: the towers give one vector and no tokens.
        """
        tokens = token_towers(self.network, "image_pooling").image_tokens(images)
        return Tokens(tokens[:, 0], tokens[:, 1:])


@dataclass(frozen=True)
class TowerWidth:
    """Numbers of a text's vector."""

    width: int


class TextTower(nn.Module):
    """The text half, read as a `TextEncoder` is; the tensors are those of the image half and are not kept twice.

    Args:
        network: both towers.
        width: D.
    """

    def __init__(self, network: Any, width: int) -> None:
        super().__init__()
        self._held = (network,)
        self.sizes = TowerWidth(width)

    def check_tokens(self) -> None:
        """Refuse towers that leave a pooler nothing to look at.

        Raises:
            ConfigError: they give one vector and no tokens.
        """
        token_towers(self._held[0], "pooling")

    def tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """(B, T) ids and mask of B texts."""
        read: tuple[Tensor, Tensor] = self._held[0].read(texts)
        return read

    def forward(self, ids: Tensor, mask: Tensor) -> Read:
        """(B, T) ids and mask to tokens and unit vectors; towers without tokens give one of each text."""
        towers = self._held[0].towers
        if isinstance(towers, TokenTowers):
            tokens = towers.text_tokens(ids, mask)
            return Read(tokens, mask, tokens[:, 0])
        vectors = towers.text_vectors(ids, mask)
        return Read(vectors[:, None], torch.ones_like(vectors[:, :1]), vectors)

    def read(self, texts: Sequence[str]) -> Read:
        """What it makes of B texts."""
        device = next(self._held[0].parameters()).device
        ids, mask = self.tokens(texts)
        found: Read = self(ids.to(device), mask.to(device))
        return found


def token_towers(network: Any, wanted_by: str) -> TokenTowers:
    """The towers of a network.

    Raises:
        ConfigError: they give one vector and no tokens.
    """
    if not isinstance(network.towers, TokenTowers):
        raise ConfigError(f"{wanted_by} looks at tokens, and these towers (CLIP's or SigLIP's) give one vector and no "
                          f"tokens; leave {wanted_by} out, or take BLIP")  # fmt: skip
    return network.towers


def text_tower(network: nn.Module, image: str, width: int) -> TextTower:
    """The text half of an image method.

    Raises:
        ConfigError: it has none.
    """
    if not isinstance(network, TwoTowers):
        raise ConfigError(f"text={OWN} takes the text tower of the image method, and {image} has none; name "
                          "lavpr-crossmodal, or another text encoder")  # fmt: skip
    return TextTower(network, width)
