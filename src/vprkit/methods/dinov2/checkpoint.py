"""Released and derived DINOv2 files: what their shapes say, and how their names map to the network. Needs no torch."""

from typing import Any

from vprkit.backbones.dinov2_sizes import HEAD_WIDTH, PATCH, SIZES, TABLE_SIZE, Size, read_dinov2
from vprkit.backbones.vit_names import unchunked
from vprkit.registry import Shapes

__all__ = ["HEAD_WIDTH", "PATCH", "SIZES", "TABLE_SIZE", "Size", "recognise", "to_network"]

_TRAINING_HEADS = ("dino_head.", "ibot_head.")
_PARTS = {"cls_token", "pos_embed", "register_tokens", "mask_token", "patch_embed", "blocks", "norm"}


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
    patches = names.get("patch_embed.proj.weight", (0, 3, PATCH, PATCH))
    return read_dinov2(names) if patches[1:] == (3, PATCH, PATCH) else None
