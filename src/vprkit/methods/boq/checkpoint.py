"""Released BoQ files: what their shapes say, and the two layouts of the ResNet in them. Needs no torch."""

from typing import Any

from vprkit.aggregators.sizes import has, read_boq
from vprkit.backbones.dinov2_sizes import read_dinov2
from vprkit.backbones.trunk_names import read_resnet, resnet_name
from vprkit.registry import Shapes

_OLD_LAYOUT = {
    "backbone.frozen_layers.0.0.": "backbone.net.0.",
    "backbone.frozen_layers.0.1.": "backbone.net.1.",
    "backbone.frozen_layers.1.": "backbone.net.4.",
    "backbone.frozen_layers.2.": "backbone.net.5.",
    "backbone.unfrozen_layers.0.": "backbone.net.6.",
}


def to_network(name: str) -> str:
    """The network's name of a checkpoint's parameter: an older layout of the ResNet is brought to the present one."""
    for old, new in _OLD_LAYOUT.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


def recognise(shapes: Shapes) -> dict[str, Any] | None:
    """The options that a checkpoint with these shapes stands for, or None where it is no BoQ.

    The DINOv2's final LayerNorm is never applied; files with and without it circulate, so it is an option.
    """
    sizes = read_boq(shapes)
    if sizes is None:
        return None
    names = {to_network(name): shape for name, shape in shapes.items()}
    transformer = read_dinov2(names, "backbone.dino.")
    if transformer is not None:
        return {"backbone": "dinov2", "final_norm": has(names, "backbone.dino.norm."), **transformer, **sizes}
    trunk = read_resnet(names, "backbone.net.", by_position=True)
    name = resnet_name(trunk)
    return None if trunk is None or name is None else {"backbone": name, "stages": len(trunk.blocks), **sizes}
