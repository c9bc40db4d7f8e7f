"""The network of CosPlace and EigenPlaces: a trunk and the CosPlace head, keys as released."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

from torch import Tensor, nn

from vprkit.aggregators.cosplace import cosplace_layers
from vprkit.backbones.efficientnet import efficientnet_trunk
from vprkit.backbones.resnet import resnet_trunk
from vprkit.backbones.trunk import Trunk
from vprkit.backbones.trunk_names import EFFICIENTNETS, RESNETS, VGG16, EfficientNetName, ResNetName
from vprkit.backbones.vgg import vgg_channels, vgg_trunk
from vprkit.config import option


@dataclass(frozen=True)
class CosPlaceConfig:
    """Options of `cosplace` and `eigenplaces`."""

    backbone: Literal[ResNetName, "vgg16", EfficientNetName] = option(
        "resnet50", "the trunk; efficientnet_* have no released weights"
    )
    dim: int = option(2048, "width of the descriptor")


class CosPlaceNetwork(nn.Module):
    """(B, 3, H, W) images of any size to (B, dim) unit vectors.

    Published training trains ResNet layer3 and layer4 (`trunk.freeze(6)`), VGG-16's last five layers (`freeze(24)`),
    EfficientNet from layer 5 on (`freeze(5)`), and the head.
    """

    def __init__(self, backbone: nn.Sequential, channels: int, dim: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.aggregation = nn.Sequential(*cosplace_layers(channels, dim).values())

    @property
    def trunk(self) -> Trunk:
        """The layers that can be frozen; EfficientNets lie one level deeper."""
        return cast(Trunk, self.backbone if isinstance(self.backbone, Trunk) else self.backbone[0])

    def forward(self, images: Tensor) -> Tensor:
        vectors: Tensor = self.aggregation(self.backbone(images))
        return vectors


_BACKBONES: dict[str, Callable[[], tuple[nn.Sequential, int]]] = {
    "vgg16": lambda: (vgg_trunk(VGG16), vgg_channels(VGG16)),
    **{
        name: lambda resnet=resnet: (resnet_trunk(resnet, by_position=True), resnet.channels)  # type: ignore[misc]
        for name, resnet in RESNETS.items()
    },
    **{
        name: lambda net=net: (nn.Sequential(efficientnet_trunk(net)), net.channels)  # type: ignore[misc]
        for name, net in EFFICIENTNETS.items()
    },
}


def build(config: CosPlaceConfig) -> CosPlaceNetwork:
    """The network, with initial values of training from scratch."""
    backbone, channels = _BACKBONES[config.backbone]()
    return CosPlaceNetwork(backbone, channels, config.dim)
