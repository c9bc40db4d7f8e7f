"""DINOv2 as a place-recognition network."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from vprkit.aggregators.gem import generalised_mean
from vprkit.backbones.dinov2 import dinov2_config
from vprkit.backbones.dinov2_sizes import TABLE_SIZE, Size
from vprkit.backbones.vit import ViT, ViTConfig
from vprkit.config import option
from vprkit.errors import ConfigError
from vprkit.features import Features

Pooling = Literal["cls", "gem"]


@dataclass(frozen=True)
class DinoV2Config:
    """Options of `dinov2`."""

    size: Size = option("B", "S, B, L or g: width 384, 768, 1024 or 1536")
    registers: int = option(
        0, "register tokens; 4 in the released -reg4 models, which also resize positions antialiased"
    )
    pooling: Pooling = option("cls", "cls: the class token; gem: generalised mean of the L2-normalised patch tokens")
    gem_power: float = option(3.0, "exponent of pooling=gem")
    normalise: bool = option(True, "L2-normalise the descriptor")
    depth: int | None = option(None, "blocks; none: as many as the size has")
    table_size: int = option(TABLE_SIZE, "side in pixels that the position table was made for")

    def __post_init__(self) -> None:
        if self.gem_power <= 0:
            raise ConfigError(f"gem_power must be positive, got {self.gem_power}")
        if self.depth is not None and self.depth < 1:
            raise ConfigError(f"depth must be at least 1, got {self.depth}")

    def backbone(self) -> ViTConfig:
        """The transformer, with the position setting of the released model."""
        return dinov2_config(self.size, registers=self.registers, depth=self.depth, table_size=self.table_size)


class DinoV2(nn.Module):
    """(B, 3, H, W) images, sides multiples of 14, to `Features` with (B, D) global vectors."""

    def __init__(self, config: DinoV2Config) -> None:
        super().__init__()
        self.config = config
        self.backbone = ViT(config.backbone())
        self._pool = {"cls": self._class_token, "gem": self._mean_of_patches}[config.pooling]

    def forward(self, images: Tensor) -> Features:
        pooled = self._pool(images)
        return Features(F.normalize(pooled.float(), dim=-1) if self.config.normalise else pooled)

    def _class_token(self, images: Tensor) -> Tensor:
        token: Tensor = self.backbone(images)
        return token

    def _mean_of_patches(self, images: Tensor) -> Tensor:
        patches = self.backbone.features(images).normed.patch_tokens.float()
        return generalised_mean(F.normalize(patches, dim=-1), self.config.gem_power, dim=1)


def build(config: DinoV2Config) -> DinoV2:
    """The network, with initial values of DINOv2's training from scratch."""
    return DinoV2(config)
