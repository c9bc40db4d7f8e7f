"""What of ProGEO's and CosPlace's networks learns: `progeo/trainable_parameters`.

The case names parameters alone, so numbers of blocks are read out of the names; widths do not matter.
"""

import re
from collections.abc import Iterable
from typing import Any

from tests.reference.runner import Case, handles
from vprkit.aggregators.cosplace_network import CosPlaceConfig, CosPlaceNetwork
from vprkit.aggregators.cosplace_network import build as build_cosplace
from vprkit.backbones.clip_text import ClipText
from vprkit.backbones.resnet import resnet_trunk
from vprkit.backbones.trunk_names import ResNetConfig
from vprkit.methods.progeo.network import ProGEOConfig, ProGEOResNet, ProGEOViT, build
from vprkit.methods.progeo.stage_two import Freezing
from vprkit.training.starting import ConvTrunk


@handles("progeo/trainable_parameters")
def trainable_parameters(case: Case) -> None:
    rows = case.json["config"]
    for row in rows:
        # What one row leaves frozen, another of the same network names.
        names = {name for other in rows if other["backbone"] == row["backbone"] for name in other["trainable"]}
        network = _cosplace(row, names) if row["backbone"].startswith("CosPlace") else _clip(row, names)
        learning = dict(network.named_parameters())
        assert {name for name, p in learning.items() if p.requires_grad} == set(row["trainable"]), row["backbone"]
        frozen = 0 if isinstance(network, CosPlaceNetwork) else _text_parameters(row["n_total"] - len(learning))
        assert len(learning) + frozen == row["n_total"], row["backbone"]


def _blocks(names: Iterable[str], before: str) -> int:
    """How many numbered blocks the names have after `before`; one where none is named."""
    found = [match for name in names if (match := re.match(rf"{before}\.(\d+)\.", name))]
    return 1 + max((int(match[1]) for match in found), default=0)


def _clip(row: dict[str, Any], names: set[str]) -> ProGEOResNet | ProGEOViT:
    """The image encoder, its attention pool included, with what the row freezes."""
    if "ViT" in row["backbone"]:
        blocks = _blocks(names, r"backbone\.transformer\.resblocks")
        image = build(ProGEOConfig("vit", (blocks,), width=64, patch=8, image_size=16, dim=8))
    else:
        stages = tuple(_blocks(names, rf"backbone\.layer{stage}") for stage in range(1, 5))
        image = build(ProGEOConfig("resnet", stages, width=4, dim=8))
        image.backbone.add_attention_pool(2, 8)  # type: ignore[operator]
    Freezing(row["freeze_cnn"], row["freeze_trans"], row["train_all_layers"]).apply(image.backbone)
    return image


def _text_parameters(least: int) -> int:
    """Parameters of the word vectors and of the smallest text tower with so many or more; all are always frozen."""
    one, two = (len(list(ClipText(8, layers, 1, 8).parameters())) + 1 for layers in (1, 2))
    return one + -(-max(least - one, 0) // (two - one)) * (two - one)


def _cosplace(row: dict[str, Any], names: set[str]) -> CosPlaceNetwork:
    """The network with the published number of frozen layers."""
    architecture = row["backbone"].split()[-1].lower()
    if architecture.startswith("vgg"):
        network = build_cosplace(CosPlaceConfig(architecture, 8))
    else:
        block = "bottleneck" if any(".conv3." in name for name in names) else "basic"
        shape = ResNetConfig(block, tuple(_blocks(names, rf"backbone\.{layer}") for layer in range(4, 8)))
        network = CosPlaceNetwork(resnet_trunk(shape, by_position=True), shape.channels, 8)
    if not row["train_all_layers"]:
        ConvTrunk(frozen_layers=None).freeze(network.trunk, architecture)
    return network
