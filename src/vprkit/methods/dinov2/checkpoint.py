"""Released and derived DINOv2 files: what their shapes say, and how their names map to the network. Needs no torch."""

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

from vprkit.registry import Shapes

Size = Literal["S", "B", "L", "g"]
HEAD_WIDTH = 64
PATCH = 14

_CHUNKED = re.compile(r"^blocks\.\d+\.(\d+)\.")
_BLOCK = re.compile(r"^blocks\.(\d+)\.")
_TRAINING_HEADS = ("dino_head.", "ibot_head.")
_PARTS = {"cls_token", "pos_embed", "register_tokens", "mask_token", "patch_embed", "blocks", "norm"}


@dataclass(frozen=True)
class Architecture:
    """Width, depth and feed-forward of a released size."""

    width: int
    depth: int
    ffn: Literal["mlp", "swiglu"] = "mlp"


SIZES: dict[Size, Architecture] = {
    "S": Architecture(384, 12),
    "B": Architecture(768, 12),
    "L": Architecture(1024, 24),
    "g": Architecture(1536, 40, "swiglu"),
}


def to_network(name: str) -> str | None:
    """The network's name of a checkpoint's parameter; None drops DINOv2's training heads.

    Bare names (released files), names under `backbone.` (teacher checkpoints of DINOv2's own training) and chunked
    blocks (`blocks.{chunk}.{i}.*`, i global) are understood.
    """
    if name.startswith(_TRAINING_HEADS):
        return None
    return "backbone." + _CHUNKED.sub(r"blocks.\1.", name.removeprefix("backbone."))


def recognise(shapes: Shapes) -> dict[str, Any] | None:
    """The options that a checkpoint with these shapes stands for, or None where it is no DINOv2 backbone alone."""
    mapped = {to_network(name): shape for name, shape in shapes.items()}
    names = {name.removeprefix("backbone."): shape for name, shape in mapped.items() if name is not None}
    if {name.split(".")[0] for name in names} - _PARTS:
        return None
    table, patches = names.get("pos_embed", ()), names.get("patch_embed.proj.weight", ())
    size = _size(names)
    if size is None or len(table) != 3 or patches[1:] != (3, PATCH, PATCH):
        return None
    registers = names.get("register_tokens", (1, 0, 0))[1]
    options: dict[str, Any] = {"size": size, "registers": registers}
    blocks = 1 + max(int(match[1]) for name in names if (match := _BLOCK.match(name)))
    if blocks != SIZES[size].depth:
        options["depth"] = blocks
    side = math.isqrt(max(0, table[1] - 1)) * PATCH
    if side != 518:
        options["table_size"] = side
    return options


def _size(names: Shapes) -> Size | None:
    """The released size of this width and feed-forward; LayerScale tells DINOv2 from other ViTs."""
    scale = names.get("blocks.0.ls1.gamma", (0,))
    ffn = "swiglu" if "blocks.0.mlp.w12.weight" in names else "mlp"
    for size, architecture in SIZES.items():
        if scale == (architecture.width,) and architecture.ffn == ffn:
            return size
    return None
