"""What the shapes of a SelaVPR file say. Needs no torch."""

from collections import Counter
from typing import Any

from vprkit.backbones.dinov2_sizes import SIZES, read_dinov2
from vprkit.registry import Shapes


def recognise(shapes: Shapes) -> dict[str, Any] | None:
    """The options that a checkpoint with these shapes stands for, or None where it is no SelaVPR."""
    trunk = read_dinov2(shapes, "backbone.")
    if trunk is None or not any(".adapter1.D_fc" in name for name in shapes):
        return None
    widths = Counter(shape[0] for name, shape in shapes.items() if name.endswith("D_fc1.bias") and shape)
    hidden = widths.most_common(1)[0][0] if widths else SIZES[trunk["size"]].width // 2
    middle = _witness(
        shapes, [("LocalAdapt.upconv1.bias", 0), ("LocalAdapt.upconv1.weight", 1), ("LocalAdapt.upconv2.weight", 0)]
    )
    local = _witness(shapes, [("LocalAdapt.upconv2.weight", 1), ("LocalAdapt.upconv2.bias", 0)])
    if middle is None or local is None:
        return None
    ratio = hidden / SIZES[trunk["size"]].width
    return {**trunk, "adapter_ratio": ratio, "local_mid_channels": middle, "local_channels": local}


def _witness(shapes: Shapes, places: list[tuple[str, int]]) -> int | None:
    """What most of these axes say, so that one missing or damaged tensor is reported by name later."""
    sizes = [shapes[name][axis] for name, axis in places if len(shapes.get(name, ())) > axis]
    return Counter(sizes).most_common(1)[0][0] if sizes else None
