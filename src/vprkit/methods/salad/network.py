"""SALAD as a place-recognition network."""

from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from vprkit.aggregators.salad import Salad
from vprkit.backbones.dinov2 import dinov2_config
from vprkit.backbones.dinov2_sizes import TABLE_SIZE, Size
from vprkit.backbones.patch_grid import to_patch_grid
from vprkit.backbones.vit import ViT, ViTConfig
from vprkit.config import option


@dataclass(frozen=True)
class SaladConfig:
    """Options of `salad`."""

    size: Size = option("B", "DINOv2's size: S, B, L or g")
    registers: int = option(0, "register tokens of the DINOv2")
    num_clusters: int = option(64, "clusters")
    cluster_dim: int = option(128, "width of a cluster's sum")
    token_dim: int = option(256, "width of the class token's part")
    mlp_dim: int = option(512, "hidden width of the small networks")
    depth: int | None = option(None, "blocks of the DINOv2; none: as many as the size has")
    table_size: int = option(TABLE_SIZE, "side in pixels that the position table was made for")


class SaladNetwork(nn.Module):
    """(B, 3, H, W) images, resized to the nearest multiples of the patch, to (B, D) unit vectors.

    Published training trains the last four blocks: `network.trunk.train_last = 4`.
    """

    def __init__(self, trunk: ViTConfig, aggregator: Salad) -> None:
        super().__init__()
        self.backbone = nn.ModuleDict({"model": ViT(trunk)})
        self.aggregator = aggregator

    @property
    def trunk(self) -> ViT:
        return cast(ViT, self.backbone["model"])

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The normed patch tokens as a (B, C, h, w) map, and the normed class token (B, C)."""
        tokens = self.trunk.features(to_patch_grid(images, self.trunk.config.patch_size)).normed
        return tokens.patch_map, tokens.class_token

    def forward(self, images: Tensor) -> Tensor:
        vectors: Tensor = self.aggregator(*self.features(images))
        return vectors


def build(config: SaladConfig) -> SaladNetwork:
    """The network, with initial values of training from scratch."""
    trunk = dinov2_config(config.size, registers=config.registers, depth=config.depth, table_size=config.table_size)
    aggregator = Salad(
        trunk.embed_dim, config.num_clusters, config.cluster_dim, config.token_dim, mlp_dim=config.mlp_dim
    )
    return SaladNetwork(trunk, aggregator)
