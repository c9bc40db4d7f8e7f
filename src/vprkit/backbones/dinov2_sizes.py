"""DINOv2's released sizes, and which one a checkpoint's shapes stand for; needs no torch: declarations use it."""

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from vprkit.registry import Shapes

Size = Literal["S", "B", "L", "g"]
HEAD_WIDTH = 64
PATCH = 14
TABLE_SIZE = 518

_BLOCK = re.compile(r"^blocks\.(\d+)\.")


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


def read_dinov2(shapes: Shapes, prefix: str = "") -> dict[str, Any] | None:
    """`size`, `registers`, where unusual `depth` and `table_size` of the DINOv2 under `prefix`; None if it is none."""
    names = {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
    size = _size(names)
    if size is None:
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
