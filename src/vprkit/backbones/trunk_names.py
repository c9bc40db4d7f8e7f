"""Sizes of the convolutional trunks, and what a checkpoint's shapes say about them; needs no torch."""

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from vprkit.errors import ConfigError
from vprkit.registry import Shapes

Block = Literal["basic", "bottleneck"]
ResNetName = Literal["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]
EfficientNetName = Literal[
    "efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3",
    "efficientnet_b4", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7",
]  # fmt: skip
VggWidths = tuple[int | Literal["M"], ...]

STAGES = ("layer1", "layer2", "layer3", "layer4")
EXPANSION: dict[Block, int] = {"basic": 1, "bottleneck": 4}


@dataclass(frozen=True)
class ResNetConfig:
    """A ResNet up to some stage (He et al., CVPR 2016).

    Attributes:
        block: `basic` (two 3x3) or `bottleneck` (1x1, 3x3, 1x1).
        blocks: blocks of each stage that is kept.
        stem: channels of the first convolution.
        width: inner channels of the first stage, doubled at each further one.
    """

    block: Block
    blocks: tuple[int, ...]
    stem: int = 64
    width: int = 64

    def __post_init__(self) -> None:
        if not 1 <= len(self.blocks) <= len(STAGES) or min(*self.blocks, self.stem, self.width, 1) < 1:
            raise ConfigError(f"a ResNet keeps 1 to 4 stages of at least one block, got {self.blocks}")

    @property
    def channels(self) -> int:
        """Channels of the last stage."""
        return (self.width << (len(self.blocks) - 1)) * EXPANSION[self.block]


RESNETS: dict[ResNetName, ResNetConfig] = {
    "resnet18": ResNetConfig("basic", (2, 2, 2, 2)),
    "resnet34": ResNetConfig("basic", (3, 4, 6, 3)),
    "resnet50": ResNetConfig("bottleneck", (3, 4, 6, 3)),
    "resnet101": ResNetConfig("bottleneck", (3, 4, 23, 3)),
    "resnet152": ResNetConfig("bottleneck", (3, 8, 36, 3)),
}

VGG16: VggWidths = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")


@dataclass(frozen=True)
class EfficientNetConfig:
    """Compound scaling of EfficientNet-B0 (Tan and Le, ICML 2019).

    Attributes:
        width: factor on channels, which are rounded to multiples of 8.
        depth: factor on blocks per stage, rounded up.
        bn_eps: BatchNorm's epsilon, 1e-3 from B5 on.
        bn_momentum: BatchNorm's momentum, 0.01 from B5 on.
    """

    width: float
    depth: float
    bn_eps: float = 1e-5
    bn_momentum: float = 0.1

    def scaled(self, channels: int) -> int:
        """The nearest multiple of 8, never more than a tenth below."""
        wanted = channels * self.width
        rounded = max(8, int(wanted + 4) // 8 * 8)
        return rounded + 8 if rounded < 0.9 * wanted else rounded

    def repeats(self, blocks: int) -> int:
        return math.ceil(blocks * self.depth)

    @property
    def channels(self) -> int:
        """Channels of the last layer."""
        return 4 * self.scaled(320)


EFFICIENTNETS: dict[EfficientNetName, EfficientNetConfig] = {
    "efficientnet_b0": EfficientNetConfig(1.0, 1.0),
    "efficientnet_b1": EfficientNetConfig(1.0, 1.1),
    "efficientnet_b2": EfficientNetConfig(1.1, 1.2),
    "efficientnet_b3": EfficientNetConfig(1.2, 1.4),
    "efficientnet_b4": EfficientNetConfig(1.4, 1.8),
    "efficientnet_b5": EfficientNetConfig(1.6, 2.2, 1e-3, 0.01),
    "efficientnet_b6": EfficientNetConfig(1.8, 2.6, 1e-3, 0.01),
    "efficientnet_b7": EfficientNetConfig(2.0, 3.1, 1e-3, 0.01),
}

EFFICIENTNET_BLOCKS = (1, 2, 2, 3, 3, 4, 1)
"""Blocks per stage of B0."""


def resnet(name: ResNetName, stages: int = 4) -> ResNetConfig:
    """A released ResNet without what follows its stage `stages`."""
    config = RESNETS[name]
    if not 1 <= stages <= len(STAGES):
        raise ConfigError(f"a ResNet has stages 1 to 4, {stages} were asked for")
    return ResNetConfig(config.block, config.blocks[:stages])


def read_resnet(shapes: Shapes, prefix: str, *, by_position: bool = False) -> ResNetConfig | None:
    """The ResNet under `prefix` with torchvision's names, or with positions in a Sequential (conv1 0, layer1 4, ...).

    Most tensors decide, so that a single missing or damaged one is reported by name later.
    """
    stages = [str(4 + number) for number in range(4)] if by_position else list(STAGES)
    counts = [count_numbers(shapes, f"{prefix}{stage}.") for stage in stages]
    blocks = tuple(counts[: next((i for i, count in enumerate(counts) if count == 0), len(counts))])
    if not blocks:
        return None
    block: Block = "bottleneck" if any(re.search(r"\.\d+\.conv3\.", name) for name in shapes) else "basic"
    inner = [
        s[0] for name, s in shapes.items() if re.match(f"{re.escape(prefix + stages[0])}\\.\\d+\\.bn1\\.", name) and s
    ]
    stem = [s[0] for name, s in shapes.items() if name.startswith(prefix + ("1." if by_position else "bn1.")) and s]
    return ResNetConfig(block, blocks, most_common(stem, 64), most_common(inner, 64))


def resnet_name(config: ResNetConfig | None) -> ResNetName | None:
    """The released ResNet that this one is the beginning of."""
    if config is None or (config.stem, config.width) != (64, 64):
        return None
    stages = len(config.blocks)
    names = [n for n, c in RESNETS.items() if (c.block, c.blocks[:stages]) == (config.block, config.blocks)]
    return names[0] if names else None


def read_efficientnet(shapes: Shapes, prefix: str) -> EfficientNetName | None:
    """The EfficientNet whose `features` lie under `prefix`."""
    blocks = tuple(count_numbers(shapes, f"{prefix}{stage}.") for stage in range(1, 8))
    tail = [s[0] for name, s in shapes.items() if name.startswith(f"{prefix}8.1.") and s]
    for name, config in EFFICIENTNETS.items():
        if blocks == tuple(map(config.repeats, EFFICIENTNET_BLOCKS)) and most_common(tail, 0) == config.channels:
            return name
    return None


def read_vgg(shapes: Shapes, prefix: str) -> VggWidths | None:
    """Widths of the VGG under `prefix`, pools recovered from the gaps in the numbering, the last one added."""
    pattern = re.compile(re.escape(prefix) + r"(\d+)\.bias$")
    found = sorted((int(m[1]), s[0]) for name, s in shapes.items() if (m := pattern.match(name)) and len(s) == 1)
    widths: list[int | Literal["M"]] = []
    expected = 0
    for position, width in found:
        if position == expected + 1:
            widths.append("M")
        widths.append(width)
        expected = position + 2
    return (*widths, "M") if widths else None


def count_numbers(names: Iterable[str], prefix: str) -> int:
    """One more than the largest number that follows `prefix` (0 where none does)."""
    pattern = re.compile(re.escape(prefix) + r"(\d+)\.")
    return 1 + max((int(match[1]) for name in names if (match := pattern.match(name))), default=-1)


def most_common(values: Iterable[int], default: int, known: Iterable[int] = ()) -> int:
    """What most witnesses say; among equally many, a value that is `known` from released files."""
    counted, preferred = Counter(values), set(known)
    return max(counted, key=lambda value: (counted[value], value in preferred), default=default)


def sizes_at(shapes: Shapes, places: Iterable[tuple[str, int]]) -> list[int]:
    """The sizes that (name, axis) pairs point to, those that are there."""
    return [shapes[name][axis] for name, axis in places if axis < len(shapes.get(name, ()))]
