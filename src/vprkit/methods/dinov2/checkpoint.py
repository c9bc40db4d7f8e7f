"""Released and derived DINOv2 files: what their shapes say, and how their names map to the network. Needs no torch."""

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from vprkit.backbones.vit_names import unchunked
from vprkit.registry import Shapes

Size = Literal["S", "B", "L", "g"]
HEAD_WIDTH = 64
PATCH = 14
TABLE_SIZE = 518

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
    return "backbone." + unchunked(name.removeprefix("backbone."))


def recognise(shapes: Shapes) -> dict[str, Any] | None:
    """The options that a checkpoint with these shapes stands for, or None where it is no DINOv2 backbone alone."""
    mapped = {to_network(name): shape for name, shape in shapes.items()}
    names = {name.removeprefix("backbone."): shape for name, shape in mapped.items() if name is not None}
    if {name.split(".")[0] for name in names} - _PARTS:
        return None
    size = _size(names)
    if size is None or names.get("patch_embed.proj.weight", (0, 3, PATCH, PATCH))[1:] != (3, PATCH, PATCH):
        return None
    registers = names.get("register_tokens", ())
    options: dict[str, Any] = {"size": size, "registers": registers[1] if len(registers) == 3 else 0}
    blocks = 1 + max((int(match[1]) for name in names if (match := _BLOCK.match(name))), default=0)
    if blocks != SIZES[size].depth:
        options["depth"] = blocks
    table = names.get("pos_embed", ())
    cells = table[1] - 1 if len(table) == 3 else 0
    side = math.isqrt(max(0, cells))
    if side * side == cells and side * PATCH not in (0, TABLE_SIZE):
        options["table_size"] = side * PATCH
    return options


def _size(names: Shapes) -> Size | None:
    """The released size of this width and feed-forward; LayerScale tells DINOv2 from other ViTs.

    The width is what most of a few tensors say, so that one that is missing or damaged is reported by name later.
    """
    if not any(name.endswith(".ls1.gamma") for name in names):
        return None
    witnesses = ("cls_token", "pos_embed", "mask_token", "norm.weight", "norm.bias", "patch_embed.proj.bias")
    widths = Counter(names[name][-1] for name in witnesses if names.get(name))
    width = widths.most_common(1)[0][0] if widths else 0
    ffn = "swiglu" if any(name.endswith(".mlp.w12.weight") for name in names) else "mlp"
    for size, architecture in SIZES.items():
        if (architecture.width, architecture.ffn) == (width, ffn):
            return size
    return None
