"""CLIP's ModifiedResNet (Radford et al., ICML 2021) with OpenAI's parameter names.

Three convolutions in the stem, average pooling wherever an ordinary ResNet has a stride, attention instead of the last
mean.
"""

from collections import OrderedDict
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vprkit.errors import ConfigError, VprError

EXPANSION = 4
_HEAD_WIDTH = 64


class Bottleneck(nn.Module):
    """1x1, 3x3, pooling by `stride`, 1x1, each with BatchNorm; no convolution has a bias or a stride."""

    def __init__(self, inside: int, planes: int, stride: int) -> None:
        super().__init__()
        outside = planes * EXPANSION
        self.conv1 = nn.Conv2d(inside, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.avgpool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.conv3 = nn.Conv2d(planes, outside, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outside)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or inside != outside:
            # The pool is numbered -1 so that convolution and norm have the released numbers.
            layers = (("-1", nn.AvgPool2d(stride)), ("0", nn.Conv2d(inside, outside, 1, bias=False)),
                      ("1", nn.BatchNorm2d(outside)))  # fmt: skip
            self.downsample = nn.Sequential(OrderedDict[str, nn.Module](layers))

    def forward(self, values: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(values)))
        out = self.avgpool(F.relu(self.bn2(self.conv2(out))))
        return F.relu(self.bn3(self.conv3(out)) + self.downsample(values))


class AttentionPool(nn.Module):
    """(B, C, g, g) maps to (B, dim): the mean attends to every location. Needs exactly the grid g it was made for."""

    def __init__(self, grid: int, channels: int, heads: int, dim: int) -> None:
        super().__init__()
        self.heads, self.grid = heads, grid
        self.positional_embedding = nn.Parameter(torch.randn(grid * grid + 1, channels) / channels**0.5)
        self.k_proj = nn.Linear(channels, channels)
        self.q_proj = nn.Linear(channels, channels)
        self.v_proj = nn.Linear(channels, channels)
        self.c_proj = nn.Linear(channels, dim)

    def forward(self, maps: Tensor) -> Tensor:
        if maps.shape[-2:] != (self.grid, self.grid):
            raise VprError(
                f"CLIP's attention pool has positions for a {self.grid}x{self.grid} map, got "
                f"{maps.shape[-2]}x{maps.shape[-1]}; give images of {32 * self.grid}x{32 * self.grid}"
            )
        places = maps.flatten(2).transpose(1, 2)
        tokens = torch.cat([places.mean(1, keepdim=True), places], 1) + self.positional_embedding.to(maps)
        q, k, v = (self._by_head(layer(part)) for layer, part in (
            (self.q_proj, tokens[:, :1]), (self.k_proj, tokens), (self.v_proj, tokens)))  # fmt: skip
        pooled = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        out: Tensor = self.c_proj(pooled)[:, 0]
        return out

    def _by_head(self, tokens: Tensor) -> Tensor:
        batch, length, channels = tokens.shape
        return tokens.view(batch, length, self.heads, channels // self.heads).transpose(1, 2)


class ClipResNet(nn.Module):
    """(B, 3, H, W) images of any size to (B, 32 width, H/32, W/32) maps.

    Args:
        layers: bottlenecks of the four stages.
        width: channels after the stem; 64 in RN50 and RN101.

    Raises:
        ConfigError: not four stages, or an odd width.
    """

    attnpool: AttentionPool
    """Only where `add_attention_pool` was called."""

    def __init__(self, layers: tuple[int, ...], width: int) -> None:
        super().__init__()
        if len(layers) != 4 or min(layers) < 1 or width < 2 or width % 2:
            raise ConfigError(f"a CLIP ResNet has four stages and an even width, got layers={layers}, width={width}")
        self.width, half = width, width // 2
        self.conv1 = nn.Conv2d(3, half, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(half)
        self.conv2 = nn.Conv2d(half, half, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv3 = nn.Conv2d(half, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        inside = width
        for stage, blocks in enumerate(layers):
            planes = width * 2**stage
            self.add_module(f"layer{stage + 1}", _stage(inside, planes, blocks, 1 if stage == 0 else 2))
            inside = planes * EXPANSION
        self.channels = inside
        self._frozen_statistics = 0

    def add_attention_pool(self, grid: int, dim: int) -> "ClipResNet":
        """Add CLIP's own head, whose parameters are `attnpool.*`."""
        heads = max(1, self.channels // _HEAD_WIDTH)
        self.attnpool = AttentionPool(grid, self.channels, heads, dim)
        return self

    def stem(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, width, H/4, W/4)."""
        for conv, norm in ((self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3)):
            images = F.relu(norm(conv(images)))
        return F.avg_pool2d(images, 2)

    @property
    def stages(self) -> list[nn.Module]:
        """The four stages."""
        return [self.get_submodule(f"layer{number}") for number in range(1, 5)]

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stem(images)
        for stage in self.stages:
            maps = stage(maps)
        return maps

    def freeze(self, stages: int, *, statistics: bool = False) -> None:
        """Stop the stem and the first `stages` stages from learning; 4 or more stop everything, the attention pool too.

        Args:
            stages: 0 or more.
            statistics: also stop their BatchNorms from following the batches, which they do as published.

        Raises:
            ConfigError: a negative number.
        """
        if stages < 0:
            raise ConfigError(f"the number of frozen stages must not be negative, got {stages}")
        for part in self._first(stages):
            part.requires_grad_(False)
        self._frozen_statistics = 1 + stages if statistics else 0
        self.train(self.training)

    def train(self, mode: bool = True) -> "ClipResNet":
        super().train(mode)
        if self._frozen_statistics:
            for part in self._first(self._frozen_statistics - 1):
                part.eval()
        return self

    def _first(self, stages: int) -> Iterator[nn.Module]:
        """Stem and first stages, the attention pool after the last."""
        for name, part in self.named_children():
            if name == f"layer{stages + 1}":
                return
            yield part


def _stage(inside: int, planes: int, blocks: int, stride: int) -> nn.Sequential:
    first = Bottleneck(inside, planes, stride)
    return nn.Sequential(first, *(Bottleneck(planes * EXPANSION, planes, 1) for _ in range(blocks - 1)))
