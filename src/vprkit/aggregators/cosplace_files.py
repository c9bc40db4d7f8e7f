"""Files of CosPlace and EigenPlaces, which share network and keys: names, addresses, shapes. Needs no torch."""

from collections.abc import Mapping, Sequence
from typing import Any

from vprkit.aggregators.sizes import has, rows
from vprkit.backbones.trunk_names import (
    RESNETS,
    VGG16,
    read_efficientnet,
    read_resnet,
    read_vgg,
    resnet_name,
)
from vprkit.registry import Released, Shapes, Variant

CONFIGURATION = "vprkit.aggregators.cosplace_network:CosPlaceConfig"
NETWORK = "vprkit.aggregators.cosplace_network:build"
_OFFICIAL: dict[str, str] = {"vgg16": "VGG16"} | {str(name): name.replace("resnet", "ResNet") for name in RESNETS}
_DIMS = tuple(2**power for power in range(4, 12))

Models = Mapping[str, Sequence[int]]
"""Backbone -> widths of the released descriptors."""


def variants(method: str, models: Models) -> dict[str, Variant]:
    """`method-backbone-dim` of every released model."""
    return {
        f"{method}-{backbone}-{dim}": Variant({"backbone": backbone, "dim": dim})
        for backbone, dims in models.items()
        for dim in dims
    }


def released(method: str, models: Models, address: str, licence: str) -> tuple[Released, ...]:
    """Every released file; the authors write `ResNet50_2048_cosplace.pth`."""
    found = []
    for backbone, dims in models.items():
        for dim in dims:
            file = f"{_OFFICIAL[backbone]}_{dim}_{method}.pth"
            found.append(Released(file, f"{address}/{file}", licence, variant=f"{method}-{backbone}-{dim}"))
    return tuple(found)


def recognise(shapes: Shapes) -> dict[str, Any] | None:
    """The options that a checkpoint with these shapes stands for, or None where it is of neither."""
    if not has(shapes, "aggregation.") or {name.split(".")[0] for name in shapes} & {"text_encoder", "token_embedding"}:
        return None
    backbone = (
        resnet_name(read_resnet(shapes, "backbone.", by_position=True))
        or read_efficientnet(shapes, "backbone.0.")
        or ("vgg16" if _like_vgg16(shapes) else None)
    )
    return None if backbone is None else {"backbone": backbone, "dim": rows(shapes, "aggregation.3", 512, _DIMS)}


def _like_vgg16(shapes: Shapes) -> bool:
    """Biases and weights of thirteen convolutions, give or take one that is missing or damaged."""
    found, wanted = read_vgg(shapes, "backbone."), [width for width in VGG16 if width != "M"]
    widths = [width for width in found or () if width != "M"]
    return abs(len(widths) - len(wanted)) <= 1 and not has(shapes, "backbone.1.")
