"""MegaLoc as a place-recognition network."""

from dataclasses import dataclass

from torch import Tensor, nn

from vprkit.aggregators.megaloc import MegaLocHead
from vprkit.aggregators.salad import Salad
from vprkit.backbones.dinov2 import dinov2_config
from vprkit.backbones.dinov2_sizes import TABLE_SIZE, Size
from vprkit.backbones.patch_grid import to_patch_grid
from vprkit.backbones.vit import ViT, ViTConfig
from vprkit.config import option


@dataclass(frozen=True)
class MegaLocConfig:
    """Options of `megaloc`."""

    size: Size = option("B", "DINOv2's size: S, B, L or g")
    feat_dim: int = option(8448, "width of the descriptor")
    num_clusters: int = option(64, "SALAD's clusters")
    cluster_dim: int = option(256, "width of a cluster's sum")
    token_dim: int = option(256, "width of the class token's part")
    mlp_dim: int = option(512, "hidden width of the small networks")
    depth: int | None = option(None, "blocks of the DINOv2; none: as many as the size has")
    table_size: int = option(TABLE_SIZE, "side in pixels that the position table was made for")


class MegaLocNetwork(nn.Module):
    """(B, 3, H, W) images, resized to the nearest multiples of the patch, to (B, feat_dim) unit vectors."""

    def __init__(self, trunk: ViTConfig, aggregator: MegaLocHead) -> None:
        super().__init__()
        self.backbone = ViT(trunk)
        self.aggregator = aggregator

    @property
    def trunk(self) -> ViT:
        return self.backbone

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The normed patch tokens as a (B, C, h, w) map, and the normed class token (B, C)."""
        tokens = self.backbone.features(to_patch_grid(images, self.backbone.config.patch_size)).normed
        return tokens.patch_map, tokens.class_token

    def forward(self, images: Tensor) -> Tensor:
        vectors: Tensor = self.aggregator(*self.features(images))
        return vectors


def build(config: MegaLocConfig) -> MegaLocNetwork:
    """The network, with initial values of training from scratch; its DINOv2 has no mask token."""
    trunk = dinov2_config(config.size, depth=config.depth, table_size=config.table_size, mask_token=False)
    salad = Salad(trunk.embed_dim, config.num_clusters, config.cluster_dim, config.token_dim, mlp_dim=config.mlp_dim)
    return MegaLocNetwork(trunk, MegaLocHead(config.feat_dim, salad))
