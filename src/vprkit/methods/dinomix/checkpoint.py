"""DINO-Mix files: what their shapes say and how their names map. Needs no torch."""

import re
from typing import Any

from vprkit.aggregators.sizes import has, read_mixer, square_side
from vprkit.backbones.dinov2_sizes import PATCH, read_dinov2
from vprkit.registry import Shapes

_TRUNK = re.compile(r"^backbone\.(?:\w+\.)?(cls_token|pos_embed|mask_token|patch_embed|blocks|norm)(?=$|\.)")


def to_network(name: str) -> str:
    """The network's name of a checkpoint's parameter: DINOv2 lies under `backbone.`, or under a further word there."""
    return _TRUNK.sub(r"backbone.dino.\1", name)


def recognise(shapes: Shapes) -> dict[str, Any] | None:
    """The options that a checkpoint with these shapes stands for, or None where it is no MixVPR on a DINOv2."""
    names = {to_network(name): shape for name, shape in shapes.items()}
    trunk, mixer = read_dinov2(names, "backbone.dino."), read_mixer(names)
    if trunk is None or mixer is None:
        return None
    side = square_side(mixer.pop("positions"))
    if side is None or trunk.pop("registers"):
        return None
    kept = {"final_norm": has(names, "backbone.dino.norm."), "mask_token": "backbone.dino.mask_token" in names}
    return {**trunk, **kept, "image_size": side * PATCH, **mixer}
