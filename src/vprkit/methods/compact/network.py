"""The network of `compact`: a narrow ResNet and a feature mixer."""

from dataclasses import dataclass

from torch import Tensor, nn

from vprkit.aggregators.mixvpr import MixVPR
from vprkit.backbones.patch_grid import resize
from vprkit.backbones.resnet import resnet_trunk
from vprkit.backbones.trunk import Trunk
from vprkit.backbones.trunk_names import ResNetConfig
from vprkit.config import option


@dataclass(frozen=True)
class CompactConfig:
    """Options of `compact`."""

    image_size: tuple[int, int] = option(
        (96, 96), "(height, width) that every image is brought to: positions are weights"
    )
    blocks: tuple[int, ...] = option((1, 1, 1, 1), "basic blocks of each stage")
    stem: int = option(32, "channels of the first convolution")
    width: int = option(32, "channels of the first stage, doubled at each further one")
    out_channels: int = option(64, "channels of the descriptor")
    out_rows: int = option(4, "numbers per channel; the descriptor has out_channels * out_rows")
    mix_depth: int = option(2, "mixing layers")


class CompactNetwork(nn.Module):
    """(B, 3, H, W) images, resized to `image_size` where they differ, to (B, D) unit vectors."""

    def __init__(self, trunk: Trunk, aggregator: MixVPR, image_size: tuple[int, int]) -> None:
        super().__init__()
        self.trunk = trunk
        self.aggregator = aggregator
        self.image_size = image_size

    def forward(self, images: Tensor) -> Tensor:
        vectors: Tensor = self.aggregator(self.trunk(resize(images, self.image_size)))
        return vectors


def build(config: CompactConfig) -> CompactNetwork:
    """The network, with initial values of training from scratch.

    Raises:
        ConfigError: a ResNet of other than one to four stages, or a size below 1.
    """
    resnet = ResNetConfig("basic", config.blocks, config.stem, config.width)
    stride = 2 ** (len(config.blocks) + 1)  # stem and pooling halve, each stage after the first too, all rounding up
    height, width = (-(-side // stride) for side in config.image_size)
    mixer = MixVPR(resnet.channels, height, width, config.out_channels, config.out_rows, config.mix_depth)
    return CompactNetwork(resnet_trunk(resnet), mixer, config.image_size)
