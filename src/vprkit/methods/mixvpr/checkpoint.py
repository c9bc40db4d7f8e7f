"""What the shapes of a MixVPR file say. Needs no torch."""

from typing import Any

from vprkit.aggregators.sizes import read_mixer, square_side
from vprkit.backbones.trunk_names import read_resnet, resnet_name
from vprkit.registry import Shapes


def recognise(shapes: Shapes) -> dict[str, Any] | None:
    """The options that a checkpoint with these shapes stands for, or None where it is no MixVPR on a ResNet."""
    trunk, mixer = read_resnet(shapes, "backbone.model."), read_mixer(shapes)
    name = resnet_name(trunk)
    if trunk is None or mixer is None or name is None:
        return None
    side = square_side(mixer.pop("positions"))
    if side is None:
        return None
    stages = len(trunk.blocks)
    pixels = side * 2 ** (stages + 1)
    return {"backbone": name, "stages": stages, "image_size": (pixels, pixels), **mixer}
