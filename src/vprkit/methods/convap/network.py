"""ConvAP as a place-recognition network."""

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, nn

from vprkit.aggregators.convap import ConvAP
from vprkit.backbones.resnet import resnet_trunk
from vprkit.backbones.trunk import Trunk
from vprkit.backbones.trunk_names import ResNetName, resnet
from vprkit.config import option


@dataclass(frozen=True)
class ConvAPConfig:
    """Options of `convap`."""

    backbone: ResNetName = option("resnet50", "the trunk")
    stages: int = option(4, "stages of it that are kept")
    out_channels: int = option(1024, "channels after the 1x1 convolution")
    s1: int = option(2, "regions along the height")
    s2: int = option(2, "regions along the width")


class ConvAPNetwork(nn.Module):
    """(B, 3, H, W) images of any size to (B, out_channels * s1 * s2) unit vectors."""

    def __init__(self, trunk: Trunk, aggregator: ConvAP) -> None:
        super().__init__()
        self.backbone = nn.Sequential(OrderedDict(model=trunk))
        self.aggregator = aggregator

    @property
    def trunk(self) -> Trunk:
        trunk: Trunk = self.backbone.model  # type: ignore[assignment]
        return trunk

    def forward(self, images: Tensor) -> Tensor:
        vectors: Tensor = self.aggregator(self.backbone(images))
        return vectors


def build(config: ConvAPConfig) -> ConvAPNetwork:
    """The network, with initial values of training from scratch."""
    trunk = resnet(config.backbone, config.stages)
    return ConvAPNetwork(resnet_trunk(trunk), ConvAP(trunk.channels, config.out_channels, config.s1, config.s2))
