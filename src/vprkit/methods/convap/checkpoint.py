"""What the shapes of a ConvAP file say. Needs no torch."""

from typing import Any

from vprkit.aggregators.sizes import has, rows
from vprkit.backbones.trunk_names import read_resnet, resnet_name
from vprkit.registry import Shapes


def recognise(shapes: Shapes) -> dict[str, Any] | None:
    """The options that a checkpoint with these shapes stands for, or None where it is no ConvAP.

    Shapes do not tell the regions; every released file has 2 x 2.
    """
    trunk = read_resnet(shapes, "backbone.model.")
    name = resnet_name(trunk)
    if trunk is None or name is None or not has(shapes, "aggregator.channel_pool."):
        return None
    channels = rows(shapes, "aggregator.channel_pool", 1024, (2048, 1024, 512, 128))
    return {"backbone": name, "stages": len(trunk.blocks), "out_channels": channels}
