"""Files of ProGEO: what their shapes say, and which of their names an image encoder needs. Needs no torch."""

import math
from typing import Any

from vprkit.aggregators.sizes import has, rows
from vprkit.backbones.trunk_names import count_numbers, most_common, sizes_at
from vprkit.registry import Shapes

RELEASED_SIZE = 512
"""Side of the images that the released ViTs have positions for."""

_UNUSED = ("token_embedding.", "text_encoder.", "backbone.attnpool.")
_BLOCKS = "backbone.transformer.resblocks."


def to_network(name: str) -> str | None:
    """The network's name of a checkpoint's parameter; None drops the text tower and CLIP's own pooling."""
    return None if name.startswith(_UNUSED) else name


def recognise(shapes: Shapes) -> dict[str, Any] | None:
    """The options that a checkpoint with these shapes stands for, or None where it is none of ProGEO."""
    if has(shapes, _BLOCKS) and has(shapes, "backbone.ln_p"):
        return vit_sizes(shapes)
    if has(shapes, "backbone.layer4.") and has(shapes, "aggregation.") and has(shapes, "backbone.conv3."):
        return resnet_sizes(shapes)
    return None


def resnet_sizes(shapes: Shapes) -> dict[str, Any]:
    """Options of a ModifiedResNet under `backbone.`, each size from several witnesses."""
    norms = [(f"backbone.bn3.{part}", 0) for part in ("weight", "bias", "running_mean")]
    return {
        "encoder": "resnet",
        "layers": [count_numbers(shapes, f"backbone.layer{stage}.") for stage in range(1, 5)],
        "width": most_common(sizes_at(shapes, norms), 64, (64,)),
        "dim": rows(shapes, "aggregation.3", 1024, (512, 1024)),
    }


def vit_sizes(shapes: Shapes) -> dict[str, Any]:
    """Options of a vision transformer under `backbone.`, likewise."""
    norms = [(f"backbone.{norm}.{part}", 0) for norm in ("ln_pre", "ln_post") for part in ("weight", "bias")]
    dims = sizes_at(shapes, [("backbone.proj", 1), ("text_encoder.text_projection", 1)])
    patches = sizes_at(shapes, [("backbone.conv1.weight", 2), ("backbone.conv1.weight", 3)])
    (positions,) = sizes_at(shapes, [("backbone.positional_embedding", 0)]) or [0]
    side = math.isqrt(max(0, positions - 1))
    patch = most_common(patches, RELEASED_SIZE // side if side else 16, (16, 32))
    return {
        "encoder": "vit",
        "layers": [count_numbers(shapes, _BLOCKS)],
        "width": most_common(sizes_at(shapes, norms), 768, (768,)),
        "patch": patch,
        "image_size": side * patch if side and side * side == positions - 1 else RELEASED_SIZE,
        "dim": most_common(dims, 512, (512,)),
    }
