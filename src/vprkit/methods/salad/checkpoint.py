"""What the shapes of a SALAD file say. Needs no torch."""

from typing import Any

from vprkit.aggregators.sizes import read_salad
from vprkit.backbones.dinov2_sizes import read_dinov2
from vprkit.registry import Shapes


def recognise(shapes: Shapes) -> dict[str, Any] | None:
    """The options that a checkpoint with these shapes stands for, or None where it is no SALAD."""
    trunk, sizes = read_dinov2(shapes, "backbone.model."), read_salad(shapes)
    return None if trunk is None or sizes is None else {**trunk, **sizes}
