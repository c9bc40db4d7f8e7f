"""VGG trunks (Simonyan and Zisserman, ICLR 2015), numbered like torchvision's `features`."""

from torch import nn

from vprkit.backbones.trunk import Trunk
from vprkit.backbones.trunk_names import VGG16, VggWidths
from vprkit.errors import ConfigError


def vgg_trunk(widths: VggWidths = VGG16) -> Trunk:
    """3x3 convolutions with ReLU and 2x2 pools ("M"), without the last two modules.

    NetVLAD and CosPlace take the last convolution's own values: neither final ReLU nor final pool.
    """
    layers: list[nn.Module] = []
    channels = 3
    for width in widths:
        if isinstance(width, int):
            layers += [_convolution(channels, width), nn.ReLU(inplace=True)]
            channels = width
        else:
            layers.append(nn.MaxPool2d(2, stride=2))
    if len(layers) < 3:
        raise ConfigError(f"a VGG needs a convolution and a pool at least, got {widths}")
    return Trunk(*layers[:-2])


def vgg_channels(widths: VggWidths) -> int:
    """Channels of the last convolution."""
    return [width for width in widths if isinstance(width, int)][-1]


def _convolution(channels: int, width: int) -> nn.Conv2d:
    layer = nn.Conv2d(channels, width, 3, padding=1)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
