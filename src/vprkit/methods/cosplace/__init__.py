"""CosPlace: place recognition trained as classification of map cells.

Berton, Masone, Caputo, "Rethinking Visual Geo-localization for Large-Scale Applications", CVPR 2022, arXiv 2204.02287.
"""

from vprkit.aggregators.cosplace_files import CONFIGURATION, NETWORK, recognise, released, variants
from vprkit.preprocessing import Preprocessing
from vprkit.registry import Declaration, Recipe

_LICENCE = "MIT"
_WIDE = (32, 64, 128, 256, 512, 1024, 2048)
_MODELS = {
    "vgg16": (64, 128, 256, 512),
    "resnet18": (32, 64, 128, 256, 512),
    "resnet50": _WIDE,
    "resnet101": _WIDE,
    "resnet152": _WIDE,
}

METHOD = Declaration(
    name="cosplace",
    summary="CosPlace: VGG-16, ResNet or EfficientNet with GeM, 32 to 2048 dimensions; images at their own size",
    paper="Berton et al., Rethinking Visual Geo-localization for Large-Scale Applications, CVPR 2022, arXiv 2204.02287",
    licence=_LICENCE,
    # Published tests leave images as they are; `resize=shorter:512` is CosPlace's own option for large ones.
    preprocessing=Preprocessing(size=(512, 512), fit="none", engine="pil", interpolation="bilinear"),
    configuration=CONFIGURATION,
    network=NETWORK,
    metric="ip",
    variants=variants("cosplace", _MODELS),
    released=released("cosplace", _MODELS, "https://github.com/gmberton/CosPlace/releases/download/v1.0", _LICENCE),
    recognise=recognise,
    recipes=(
        Recipe(
            "cosplace",
            "CosPlace on SF-XL: a classifier of map cells per group, 8 groups, 50 epochs of 10000 batches of 32",
            "vprkit.methods.cosplace.recipe:CosPlaceRecipe",
            "vprkit.methods.cosplace.recipe:task",
        ),
    ),
)
