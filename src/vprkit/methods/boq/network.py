"""BoQ as a place-recognition network."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from torch import Tensor, nn

from vprkit.aggregators.boq import BoQ
from vprkit.backbones.dinov2 import PatchMap, dinov2_config
from vprkit.backbones.dinov2_sizes import TABLE_SIZE, Size
from vprkit.backbones.resnet import resnet_trunk
from vprkit.backbones.trunk_names import ResNetName, resnet
from vprkit.config import option


@dataclass(frozen=True)
class BoQConfig:
    """Options of `boq`."""

    backbone: Literal[ResNetName, "dinov2"] = option("dinov2", "the trunk: dinov2 or a resnet")
    proj_channels: int = option(384, "width of tokens and queries, best a multiple of 64")
    num_queries: int = option(64, "queries of each block")
    num_layers: int = option(2, "blocks")
    row_dim: int = option(32, "rows left of all answers; the descriptor has proj_channels * row_dim numbers")
    size: Size = option("B", "dinov2: S, B, L or g")
    registers: int = option(0, "dinov2: register tokens")
    depth: int | None = option(None, "dinov2: blocks; none: as many as the size has")
    table_size: int = option(TABLE_SIZE, "dinov2: side in pixels that the position table was made for")
    final_norm: bool = option(True, "dinov2: carry its last LayerNorm along, as most files do; it is never applied")
    stages: int = option(3, "resnet: stages that are kept")


class BoQNetwork(nn.Module):
    """(B, 3, H, W) images to (B, D) unit vectors.

    Published training trains the last two blocks of DINOv2: `network.backbone.dino.train_last = 2`.
    """

    def __init__(self, backbone: nn.Module, aggregator: BoQ) -> None:
        super().__init__()
        self.backbone = backbone
        self.aggregator = aggregator

    @property
    def trunk(self) -> Any:
        """The DINOv2 (`ViT`) or the ResNet (`Trunk`)."""
        return self.backbone.dino if isinstance(self.backbone, PatchMap) else self.backbone.net

    def forward(self, images: Tensor) -> Tensor:
        vectors: Tensor = self.aggregator(self.backbone(images))
        return vectors

    def attend(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The descriptors, and where each block's queries look: (B, Q, n) over the positions of the map."""
        return self.aggregator.attend(self.backbone(images))


def _dinov2(config: BoQConfig) -> tuple[nn.Module, int]:
    trunk = dinov2_config(
        config.size,
        registers=config.registers,
        depth=config.depth,
        table_size=config.table_size,
        final_norm=config.final_norm,
    )
    return PatchMap(trunk), trunk.embed_dim


def _resnet(config: BoQConfig) -> tuple[nn.Module, int]:
    trunk = resnet(cast(ResNetName, config.backbone), config.stages)
    return nn.Sequential(OrderedDict(net=resnet_trunk(trunk, by_position=True))), trunk.channels


_TRUNKS: dict[str, Callable[[BoQConfig], tuple[nn.Module, int]]] = {"dinov2": _dinov2}


def build(config: BoQConfig) -> BoQNetwork:
    """The network, with initial values of training from scratch."""
    backbone, channels = _TRUNKS.get(config.backbone, _resnet)(config)
    aggregator = BoQ(channels, config.proj_channels, config.num_queries, config.num_layers, config.row_dim)
    return BoQNetwork(backbone, aggregator)
