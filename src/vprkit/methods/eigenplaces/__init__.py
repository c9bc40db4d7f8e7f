"""EigenPlaces: CosPlace's network, trained to see a place from several sides.

Berton, Trivigno, Caputo, Masone, "EigenPlaces: Training Viewpoint Robust Models for VPR", ICCV 2023, arXiv 2308.10832.
"""

from vprkit.aggregators.cosplace_files import CONFIGURATION, NETWORK, recognise, released, variants
from vprkit.preprocessing import Preprocessing
from vprkit.registry import Declaration, Recipe, Variant

_LICENCE = "MIT"
_WIDE = (128, 256, 512, 2048)  # the authors' list has 1024 too, but no such file
_MODELS = {"vgg16": (512,), "resnet18": (256, 512), "resnet50": _WIDE, "resnet101": _WIDE}

METHOD = Declaration(
    name="eigenplaces",
    summary="EigenPlaces: VGG-16 or ResNet with GeM, 128 to 2048 dimensions; also indoor weights",
    paper="Berton et al., EigenPlaces: Training Viewpoint Robust Models for VPR, ICCV 2023, arXiv 2308.10832",
    licence=_LICENCE,
    preprocessing=Preprocessing(size=(512, 512), fit="none", engine="pil", interpolation="bilinear"),
    configuration=CONFIGURATION,
    network=NETWORK,
    metric="ip",
    variants={**variants("eigenplaces", _MODELS), "eigenplaces-indoor": Variant()},
    released=released(
        "eigenplaces", _MODELS, "https://github.com/gmberton/EigenPlaces/releases/download/v1.0", _LICENCE
    ),
    recognise=recognise,
    recipes=(
        Recipe(
            "eigenplaces",
            "EigenPlaces on SF-XL panoramas: cells seen along and across the street, 40 epochs of 5000 batches of 32",
            "vprkit.methods.eigenplaces.recipe:EigenPlacesRecipe",
            "vprkit.methods.eigenplaces.recipe:task",
        ),
    ),
)
