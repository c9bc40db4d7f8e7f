"""CricaVPR-small as a place-recognition network."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vprkit.aggregators.gem import GeM
from vprkit.aggregators.unit import unit
from vprkit.backbones.dinov2 import dinov2_config
from vprkit.backbones.dinov2_sizes import TABLE_SIZE, Size
from vprkit.backbones.patch_grid import to_patch_grid
from vprkit.backbones.vit import ViT, ViTConfig
from vprkit.config import option
from vprkit.errors import ConfigError

GRIDS = (2, 3)
"""Regions per side: 4 and 9 of them; with the class token 14 tokens an image."""


@dataclass(frozen=True)
class CricaVPRConfig:
    """Options of `cricavpr_small`."""

    size: Size = option("S", "DINOv2's size: S, B, L or g")
    layers: int = option(2, "layers of the encoder across images")
    heads: int = option(16, "its attention heads")
    feedforward: int = option(2048, "its hidden width")
    across_images: bool = option(
        True, "attend across the images of a batch, as published; false: each image alone, whatever the batch"
    )
    depth: int | None = option(None, "blocks of the DINOv2; none: as many as the size has")
    table_size: int = option(TABLE_SIZE, "side in pixels that the position table was made for")


class CricaVPRNetwork(nn.Module):
    """(B, 3, H, W) images to (B, 14 * D) unit vectors: class token, then 4 and 9 regional means, refined.

    The encoder attends along the batch axis, one region at a time: region r of every image to region r of the others.
    """

    def __init__(self, trunk: ViTConfig, config: CricaVPRConfig) -> None:
        super().__init__()
        if trunk.embed_dim % config.heads or config.layers < 1:
            raise ConfigError(f"{config.heads} heads do not divide {trunk.embed_dim} channels, or there is no layer")
        self.backbone = ViT(trunk)
        self.pool = GeM()
        layer = nn.TransformerEncoderLayer(
            trunk.embed_dim, config.heads, config.feedforward, dropout=0.1, activation="gelu", batch_first=False
        )
        self.encoder = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.across_images = config.across_images

    @property
    def trunk(self) -> ViT:
        return self.backbone

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.tokens(images)
        if self.across_images:
            refined = self.encoder(tokens)
        else:
            refined = self.encoder(tokens.reshape(1, -1, tokens.shape[-1])).reshape(tokens.shape)
        return unit(refined.flatten(1))

    def tokens(self, images: Tensor) -> Tensor:
        """(B, 14, D): the class token, then the generalised mean of every region, row by row, coarse grid first."""
        normed = self.backbone.features(to_patch_grid(images, self.backbone.config.patch_size)).normed
        regions = [region for side in GRIDS for region in _regions(normed.patch_map, side)]
        return torch.stack([normed.class_token, *(self.pool(region) for region in regions)], dim=1)


def _regions(features: Tensor, side: int) -> list[Tensor]:
    """side * side parts of a (B, C, h, w) map, cut at the nearest positions."""
    if min(features.shape[-2:]) < side:
        raise ConfigError(
            f"a map of {tuple(features.shape[-2:])} patches has no {side} x {side} regions; enlarge images"
        )
    rows, columns = ([round(i * size / side) for i in range(side + 1)] for size in features.shape[-2:])
    return [
        features[:, :, rows[y] : rows[y + 1], columns[x] : columns[x + 1]] for y in range(side) for x in range(side)
    ]


def build(config: CricaVPRConfig) -> CricaVPRNetwork:
    """The network, with initial values of training from scratch."""
    trunk = dinov2_config(config.size, depth=config.depth, table_size=config.table_size)
    return CricaVPRNetwork(trunk, config)
