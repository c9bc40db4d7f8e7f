"""DINO-Mix as a place-recognition network."""

from dataclasses import dataclass

from torch import Tensor, nn

from vprkit.aggregators.mixvpr import MixVPR
from vprkit.backbones.dinov2 import PatchMap, dinov2_config
from vprkit.backbones.dinov2_sizes import PATCH, TABLE_SIZE, Size
from vprkit.backbones.patch_grid import resize
from vprkit.backbones.vit import ViT
from vprkit.config import option
from vprkit.errors import ConfigError


@dataclass(frozen=True)
class DinoMixConfig:
    """Options of `dinomix`."""

    size: Size = option("B", "DINOv2's size: S, B, L or g")
    image_size: int = option(224, "side in pixels that every image is brought to: positions are weights")
    out_channels: int = option(1024, "channels of the descriptor")
    out_rows: int = option(4, "numbers per channel; the descriptor has out_channels * out_rows")
    mix_depth: int = option(2, "mixing layers")
    mlp_ratio: float = option(1.0, "hidden width of a mixing layer over the number of positions")
    depth: int | None = option(None, "blocks of the DINOv2; none: as many as the size has")
    table_size: int = option(TABLE_SIZE, "side in pixels that the position table was made for")
    final_norm: bool = option(True, "carry DINOv2's last LayerNorm along, which is never applied")
    mask_token: bool = option(True, "carry DINOv2's mask token along, which is never used")

    def __post_init__(self) -> None:
        if self.image_size < PATCH or self.image_size % PATCH:
            raise ConfigError(f"image_size must be a multiple of {PATCH}, got {self.image_size}")


class DinoMixNetwork(nn.Module):
    """(B, 3, H, W) images, resized to `image_size` where they differ, to (B, D) unit vectors."""

    def __init__(self, backbone: PatchMap, aggregator: MixVPR, image_size: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.aggregator = aggregator
        self.image_size = image_size

    @property
    def trunk(self) -> ViT:
        return self.backbone.dino

    def forward(self, images: Tensor) -> Tensor:
        side = self.image_size
        vectors: Tensor = self.aggregator(self.backbone(resize(images, (side, side))))
        return vectors


def build(config: DinoMixConfig) -> DinoMixNetwork:
    """The network, with initial values of training from scratch."""
    trunk = dinov2_config(
        config.size,
        depth=config.depth,
        table_size=config.table_size,
        final_norm=config.final_norm,
        mask_token=config.mask_token,
    )
    side = config.image_size // PATCH
    aggregator = MixVPR(
        trunk.embed_dim, side, side, config.out_channels, config.out_rows, config.mix_depth, config.mlp_ratio
    )
    return DinoMixNetwork(PatchMap(trunk), aggregator, config.image_size)
