"""EfficientNet-B0 to B7 trunks (Tan and Le, ICML 2019), numbered like torchvision's `features`."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vprkit.backbones.trunk import Trunk
from vprkit.backbones.trunk_names import EFFICIENTNET_BLOCKS, EfficientNetConfig

STOCHASTIC_DEPTH = 0.2
"""Chance that the last block of all is skipped in training; it grows linearly from 0 at the first."""


@dataclass(frozen=True)
class _Stage:
    expansion: int
    kernel: int
    stride: int
    width: int


_STAGES = (
    _Stage(1, 3, 1, 16),
    _Stage(6, 3, 2, 24),
    _Stage(6, 5, 2, 40),
    _Stage(6, 3, 2, 80),
    _Stage(6, 5, 1, 112),
    _Stage(6, 5, 2, 192),
    _Stage(6, 3, 1, 320),
)
_STEM = 32


class SqueezeExcite(nn.Module):
    """Channels weighed by what the whole map holds."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        pooled = features.mean(dim=(2, 3), keepdim=True)
        weights = torch.sigmoid(self.fc2(nn.functional.silu(self.fc1(pooled))))
        return features * weights


class MBConv(nn.Module):
    """Expand, depthwise convolution, squeeze and excite, project; a shortcut where the shapes allow."""

    def __init__(self, config: EfficientNetConfig, stage: _Stage, channels: int, width: int, stride: int) -> None:
        super().__init__()
        expanded = channels * stage.expansion
        layers: list[nn.Module] = [] if expanded == channels else [_convolution(config, channels, expanded, 1)]
        layers += [
            _convolution(config, expanded, expanded, stage.kernel, stride, groups=expanded),
            SqueezeExcite(expanded, max(1, channels // 4)),
            _convolution(config, expanded, width, 1, activation=False),
        ]
        self.block = nn.Sequential(*layers)
        self.has_shortcut = stride == 1 and channels == width
        self.skip_chance = 0.0

    def forward(self, features: Tensor) -> Tensor:
        inner: Tensor = self.block(features)
        if not self.has_shortcut:
            return inner
        if self.training and self.skip_chance > 0:
            keep = 1 - self.skip_chance
            kept = torch.rand(len(inner), 1, 1, 1, device=inner.device) < keep
            inner = inner * kept.to(inner.dtype) / keep
        return features + inner


def efficientnet_trunk(config: EfficientNetConfig) -> Trunk:
    """Stem, seven stages, last 1x1 convolution: (B, 3, H, W) -> (B, channels, H / 32, W / 32)."""
    channels = config.scaled(_STEM)
    layers: list[nn.Module] = [_convolution(config, 3, channels, 3, stride=2)]
    for stage, count in zip(_STAGES, EFFICIENTNET_BLOCKS, strict=True):
        blocks: list[nn.Module] = []
        for place in range(config.repeats(count)):
            width = config.scaled(stage.width)
            blocks.append(MBConv(config, stage, channels, width, stage.stride if place == 0 else 1))
            channels = width
        layers.append(nn.Sequential(*blocks))
    layers.append(_convolution(config, channels, config.channels, 1))
    trunk = Trunk(*layers)
    residual = [module for module in trunk.modules() if isinstance(module, MBConv)]
    for number, block in enumerate(residual):
        block.skip_chance = STOCHASTIC_DEPTH * number / len(residual)
    return trunk


def _convolution(
    config: EfficientNetConfig,
    channels: int,
    out: int,
    kernel: int,
    stride: int = 1,
    *,
    groups: int = 1,
    activation: bool = True,
) -> nn.Sequential:
    layer = nn.Conv2d(channels, out, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    norm = nn.BatchNorm2d(out, eps=config.bn_eps, momentum=config.bn_momentum)
    return nn.Sequential(layer, norm, *([nn.SiLU(inplace=True)] if activation else []))
