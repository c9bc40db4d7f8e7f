"""ProGEO's image encoder: CLIP's ModifiedResNet with CosPlace's head, or CLIP's vision transformer as it is."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from vprkit.aggregators.cosplace import cosplace_layers
from vprkit.backbones.clip_resnet import ClipResNet
from vprkit.backbones.clip_vit import ClipViT
from vprkit.config import option
from vprkit.errors import ConfigError

Encoder = Literal["resnet", "vit"]


@dataclass(frozen=True)
class ProGEOConfig:
    """Options of `progeo`; the variants name the released ones."""

    encoder: Encoder = option("resnet", "resnet: CLIP's ModifiedResNet with CosPlace's head; vit: CLIP's ViT")
    layers: tuple[int, ...] = option((3, 4, 6, 3), "resnet: bottlenecks of four stages; vit: number of blocks")
    width: int = option(64, "resnet: channels after the stem; vit: width of a token")
    patch: int = option(16, "vit: side of a patch")
    image_size: int = option(512, "vit: side of the images, which its positions are made for")
    dim: int = option(1024, "width of the descriptor; in training CLIP's joint width")
    normalise: bool = option(
        False, "[free] vit: L2-normalise the descriptor, which published ViTs do not (a resnet's always is)"
    )

    def __post_init__(self) -> None:
        if min(self.layers, default=0) < 1 or len(self.layers) != (4 if self.encoder == "resnet" else 1):
            raise ConfigError(f"layers={list(self.layers)} does not fit encoder={self.encoder}: four numbers for a "
                              "resnet, one for a vit")  # fmt: skip
        if self.dim < 1:
            raise ConfigError(f"dim must be positive, got {self.dim}")


class ProGEOResNet(nn.Module):
    """(B, 3, H, W) images of any size to (B, dim) unit vectors."""

    backbone: ClipResNet

    def __init__(self, config: ProGEOConfig) -> None:
        super().__init__()
        self.backbone = ClipResNet(config.layers, config.width)
        self.aggregation = nn.Sequential(*cosplace_layers(self.backbone.channels, config.dim).values())

    def forward(self, images: Tensor) -> Tensor:
        vectors: Tensor = self.aggregation(self.backbone(images))
        return vectors


class ProGEOViT(nn.Module):
    """(B, 3, S, S) images to (B, dim) projected class tokens; not of unit length unless asked for."""

    backbone: ClipViT

    def __init__(self, config: ProGEOConfig) -> None:
        super().__init__()
        self.backbone = ClipViT(config.image_size, config.patch, config.width, config.layers[0], config.dim)
        self.normalise = config.normalise

    def forward(self, images: Tensor) -> Tensor:
        vectors: Tensor = self.backbone(images)
        return F.normalize(vectors.float(), dim=1) if self.normalise else vectors


_NETWORKS: dict[Encoder, type[ProGEOResNet] | type[ProGEOViT]] = {"resnet": ProGEOResNet, "vit": ProGEOViT}


def build(config: ProGEOConfig) -> ProGEOResNet | ProGEOViT:
    """The network, with initial values of training from scratch."""
    return _NETWORKS[config.encoder](config)
