"""DINOv2 as the trunk of place-recognition networks: the released sizes as configurations of `ViT`."""

from typing import Any

from torch import Tensor, nn

from vprkit.backbones.dinov2_sizes import HEAD_WIDTH, PATCH, SIZES, TABLE_SIZE, Size
from vprkit.backbones.vit import ViT, ViTConfig


def dinov2_config(
    size: Size, *, registers: int = 0, depth: int | None = None, table_size: int = TABLE_SIZE, **more: Any
) -> ViTConfig:
    """A released DINOv2, its position setting included.

    Args:
        size: S, B, L or g.
        registers: 4 in the released -reg4 models, which resize positions to the size and antialiased.
        depth: blocks, None for as many as the size has.
        table_size: side in pixels that the position table was made for.
        more: any other field of `ViTConfig`.
    """
    architecture = SIZES[size]
    return ViTConfig(
        embed_dim=architecture.width,
        depth=depth or architecture.depth,
        num_heads=architecture.width // HEAD_WIDTH,
        img_size=table_size,
        patch_size=PATCH,
        ffn=architecture.ffn,
        num_register_tokens=registers,
        interpolate_offset=0.0 if registers else 0.1,
        interpolate_antialias=registers > 0,
        **more,
    )


class PatchMap(nn.Module):
    """The last block's patch tokens, without the final LayerNorm, as a map: (B, 3, H, W) -> (B, D, H / 14, W / 14)."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.dino = ViT(config)

    def forward(self, images: Tensor) -> Tensor:
        return self.dino.features(images).prenorm.patch_map
