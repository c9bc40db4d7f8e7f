"""What the shapes of a MegaLoc file say. Needs no torch."""

from typing import Any

from vprkit.aggregators.sizes import read_salad, rows
from vprkit.backbones.dinov2_sizes import read_dinov2
from vprkit.registry import Shapes


def recognise(shapes: Shapes) -> dict[str, Any] | None:
    """The options that a checkpoint with these shapes stands for, or None where it is no MegaLoc."""
    trunk, sizes = read_dinov2(shapes, "backbone."), read_salad(shapes, "aggregator.agg.")
    if trunk is None or sizes is None:
        return None
    del trunk["registers"]
    return {**trunk, **sizes, "feat_dim": rows(shapes, "aggregator.linear", 8448, (8448,))}
