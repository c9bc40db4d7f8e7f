"""CLIP's vision transformer with OpenAI's parameter names (`visual.*` there, `backbone.*` in ProGEO's files)."""

import math

import torch
from torch import Tensor, nn

from vprkit.backbones.clip_blocks import EPSILON, Transformer
from vprkit.errors import ConfigError, VprError

HEAD_WIDTH = 64


class ClipViT(nn.Module):
    """(B, 3, S, S) images to (B, dim) projected class tokens, not normalised.

    Args:
        image_size: side S in pixels; the position table is made for it and nothing interpolates it later.
        patch: side of a patch.
        width: of a token, a multiple of 64 (64 per head).
        layers: blocks.
        dim: of the space that images and texts share.

    Raises:
        ConfigError: the sizes do not fit each other.
    """

    def __init__(self, image_size: int, patch: int, width: int, layers: int, dim: int) -> None:
        super().__init__()
        if image_size % patch or width % HEAD_WIDTH:
            raise ConfigError(f"a CLIP ViT needs image_size {image_size} divisible by its patch {patch}, and width "
                              f"{width} divisible by {HEAD_WIDTH}")  # fmt: skip
        self.image_size, scale = image_size, 1 / math.sqrt(width)
        self.class_embedding = nn.Parameter(scale * torch.randn(width))
        self.positional_embedding = nn.Parameter(scale * torch.randn(1 + (image_size // patch) ** 2, width))
        self.proj = nn.Parameter(scale * torch.randn(width, dim))
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.ln_pre = nn.LayerNorm(width, eps=EPSILON)
        self.transformer = Transformer(width, layers, width // HEAD_WIDTH)
        self.ln_post = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[-2:] != (self.image_size, self.image_size):
            raise VprError(
                f"this CLIP ViT has positions for {self.image_size}x{self.image_size} images, got "
                f"{images.shape[-2]}x{images.shape[-1]}; use resize={self.image_size}"
            )
        patches = self.conv1(images).flatten(2).transpose(1, 2)
        first = self.class_embedding.to(patches).expand(len(patches), 1, -1)
        tokens = torch.cat([first, patches], 1) + self.positional_embedding.to(patches)
        tokens = self.transformer(self.ln_pre(tokens))
        out: Tensor = self.ln_post(tokens[:, 0]) @ self.proj
        return out

    def freeze(self, blocks: int, *, embeddings: bool = False) -> None:
        """Stop patch embedding, first norm and the first `blocks` blocks from learning.

        Class and position embeddings go on learning, as published, so that gradients are carried through every block;
        with `embeddings` they stop too, and the backward pass ends above the frozen blocks.

        Raises:
            ConfigError: there are not so many blocks.
        """
        if not 0 <= blocks <= len(self.transformer.resblocks):
            raise ConfigError(f"{blocks} frozen blocks were asked for, this CLIP ViT has "
                              f"{len(self.transformer.resblocks)}")  # fmt: skip
        self.conv1.requires_grad_(False)
        self.ln_pre.requires_grad_(False)
        for block in self.transformer.resblocks[:blocks]:
            block.requires_grad_(False)
        if embeddings:
            self.class_embedding.requires_grad_(False)
            self.positional_embedding.requires_grad_(False)
