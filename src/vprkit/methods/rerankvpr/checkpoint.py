"""What a file of the official training program holds, and how its names map to the network. Needs no torch.

The program writes Lightning files: `model.model.<DINOv2 name>`, and `memory_bank.*`, the state of the memory at that
moment, which is of no use to anyone but the run that wrote it.
"""

from collections.abc import Mapping
from typing import Any

from vprkit.backbones.dinov2_sizes import Size, read_dinov2
from vprkit.registry import Shapes

SIZES: Mapping[str, Size] = {"small": "S", "base": "B", "large": "L", "giant": "g"}
"""The official program's words (`--backbone_size dinov2_large`) -> ours."""

_TRUNK = "model.model."
_UNUSED = ("memory_bank.", "model.cls_token_reducer.")  # the reducer of `dinov2_finetune` is made and never applied


def to_network(name: str) -> str | None:
    """The network's name of a checkpoint's parameter; None for what the network does not have."""
    if name.startswith(_UNUSED):
        return None
    return f"backbone.{name.removeprefix(_TRUNK)}" if name.startswith(_TRUNK) else name


def recognise(shapes: Shapes) -> dict[str, Any] | None:
    """The options that a checkpoint with these shapes stands for, or None where it is no RerankVPR."""
    return read_dinov2(shapes, _TRUNK)
