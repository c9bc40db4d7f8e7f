"""ResNet trunks (He et al., CVPR 2016) with torchvision's parameter names; bottlenecks stride on the 3x3."""

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional as F

from vprkit.backbones.trunk import Trunk
from vprkit.backbones.trunk_names import EXPANSION, STAGES, ResNetConfig


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(channels, width, stride)

    def forward(self, features: Tensor) -> Tensor:
        inner = F.relu(self.bn1(self.conv1(features)), inplace=True)
        inner = self.bn2(self.conv2(inner))
        shortcut = features if self.downsample is None else self.downsample(features)
        return F.relu(inner + shortcut, inplace=True)


class Bottleneck(nn.Module):
    """1x1, 3x3 (which strides), 1x1 to four times the width, and a shortcut."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out = width * EXPANSION["bottleneck"]
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.downsample = _shortcut(channels, out, stride)

    def forward(self, features: Tensor) -> Tensor:
        inner = F.relu(self.bn1(self.conv1(features)), inplace=True)
        inner = F.relu(self.bn2(self.conv2(inner)), inplace=True)
        inner = self.bn3(self.conv3(inner))
        shortcut = features if self.downsample is None else self.downsample(features)
        return F.relu(inner + shortcut, inplace=True)


_BLOCKS = {"basic": BasicBlock, "bottleneck": Bottleneck}


def resnet_layers(config: ResNetConfig) -> "OrderedDict[str, nn.Module]":
    """conv1, bn1, relu, maxpool, layer1 ... as far as the configuration goes."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(3, config.stem, 7, stride=2, padding=3, bias=False),
        bn1=nn.BatchNorm2d(config.stem),
        relu=nn.ReLU(inplace=True),
        maxpool=nn.MaxPool2d(3, stride=2, padding=1),
    )
    channels = config.stem
    for number, (name, count) in enumerate(zip(STAGES[: len(config.blocks)], config.blocks, strict=True)):
        width, blocks = config.width * 2**number, []
        for place in range(count):
            stride = 2 if number > 0 and place == 0 else 1
            blocks.append(_BLOCKS[config.block](channels, width, stride))
            channels = width * EXPANSION[config.block]
        layers[name] = nn.Sequential(*blocks)
    for layer in layers.values():
        layer.apply(_initialise)
    return layers


def resnet_trunk(config: ResNetConfig, *, by_position: bool = False) -> Trunk:
    """The layers with torchvision's names, or named by position (0 conv1, 1 bn1, 4 layer1, ...)."""
    layers = resnet_layers(config)
    return Trunk(*layers.values()) if by_position else Trunk(layers)


def _shortcut(channels: int, out: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and channels == out:
        return None
    return nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
