"""MixVPR as a place-recognition network."""

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, nn

from vprkit.aggregators.mixvpr import MixVPR
from vprkit.backbones.patch_grid import resize
from vprkit.backbones.resnet import resnet_trunk
from vprkit.backbones.trunk import Trunk
from vprkit.backbones.trunk_names import ResNetName, resnet
from vprkit.config import option


@dataclass(frozen=True)
class MixVPRConfig:
    """Options of `mixvpr`."""

    backbone: ResNetName = option("resnet50", "the trunk")
    stages: int = option(3, "stages of it that are kept; released models leave the fourth out")
    image_size: tuple[int, int] = option(
        (320, 320), "(height, width) that every image is brought to: positions are weights"
    )
    out_channels: int = option(1024, "channels of the descriptor")
    out_rows: int = option(4, "numbers per channel; the descriptor has out_channels * out_rows")
    mix_depth: int = option(4, "mixing layers")
    mlp_ratio: float = option(1.0, "hidden width of a mixing layer over the number of positions")


class MixVPRNetwork(nn.Module):
    """(B, 3, H, W) images, resized to `image_size` where they differ, to (B, D) unit vectors.

    Published training freezes conv1, bn1, layer1 and layer2: `network.trunk.freeze(6)`.
    """

    def __init__(self, trunk: Trunk, aggregator: MixVPR, image_size: tuple[int, int]) -> None:
        super().__init__()
        self.backbone = nn.Sequential(OrderedDict(model=trunk))
        self.aggregator = aggregator
        self.image_size = image_size

    @property
    def trunk(self) -> Trunk:
        trunk: Trunk = self.backbone.model  # type: ignore[assignment]
        return trunk

    def feature_map(self, images: Tensor) -> Tensor:
        """What the aggregator sees: (B, C, h, w)."""
        features: Tensor = self.backbone(resize(images, self.image_size))
        return features

    def forward(self, images: Tensor) -> Tensor:
        vectors: Tensor = self.aggregator(self.feature_map(images))
        return vectors


def map_size(image_size: tuple[int, int], stages: int) -> tuple[int, int]:
    """Positions left by a ResNet's stem and `stages` stages: every halving rounds up."""
    stride = 2 ** (stages + 1)
    return -(-image_size[0] // stride), -(-image_size[1] // stride)


def build(config: MixVPRConfig) -> MixVPRNetwork:
    """The network, with initial values of training from scratch."""
    trunk = resnet(config.backbone, config.stages)
    height, width = map_size(config.image_size, config.stages)
    aggregator = MixVPR(
        trunk.channels, height, width, config.out_channels, config.out_rows, config.mix_depth, config.mlp_ratio
    )
    return MixVPRNetwork(resnet_trunk(trunk), aggregator, config.image_size)
