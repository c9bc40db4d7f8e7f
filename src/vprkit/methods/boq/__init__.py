"""BoQ: learned queries that look at the image, on DINOv2 or a ResNet-50.

Ali-bey, Chaib-draa, Giguere, "BoQ: A Place is Worth a Bag of Learnable Queries", CVPR 2024, arXiv 2405.07364.
"""

from vprkit.methods.boq.checkpoint import recognise
from vprkit.preprocessing import Preprocessing
from vprkit.registry import Declaration, Recipe, Released, Variant

_LICENCE = "MIT"
_HOST = "https://github.com/amaralibey/Bag-of-Queries/releases/download/v1.0"


def _prepared(side: int, multiple: int) -> Preprocessing:
    return Preprocessing((side, side), "stretch", engine="tensor_antialias", interpolation="bicubic", multiple=multiple)


METHOD = Declaration(
    name="boq",
    summary="BoQ: bags of learned queries on DINOv2 ViT-B/14 (12288 dimensions) or ResNet-50 (16384)",
    paper="Ali-bey et al., BoQ: A Place is Worth a Bag of Learnable Queries, CVPR 2024, arXiv 2405.07364",
    licence=_LICENCE,
    preprocessing=_prepared(322, 14),
    configuration="vprkit.methods.boq.network:BoQConfig",
    network="vprkit.methods.boq.network:build",
    metric="ip",
    variants={
        "boq-dinov2-12288": Variant({"backbone": "dinov2", "proj_channels": 384, "row_dim": 32}),
        "boq-resnet50-16384": Variant({"backbone": "resnet50", "proj_channels": 512, "row_dim": 32}, _prepared(384, 1)),
    },
    released=tuple(
        Released(f"{model}.pth", f"{_HOST}/{model}.pth", _LICENCE, variant=f"boq-{model.replace('_', '-')}")
        for model in ("dinov2_12288", "resnet50_16384")
    ),
    recognise=recognise,
    key_map="vprkit.methods.boq.checkpoint:to_network",
    recipes=(
        Recipe(
            "boq",
            "BoQ on DINOv2 and GSV-Cities: 128 places x 4 images, 224 px, AdamW, 40 epochs",
            "vprkit.methods.boq.recipe:BoQDinoRecipe",
            "vprkit.methods.boq.recipe:task",
        ),
        Recipe(
            "boq-resnet50",
            "BoQ on ResNet-50 and GSV-Cities: 128 places x 4 images, 320 px, AdamW, 40 epochs",
            "vprkit.methods.boq.recipe:BoQResNetRecipe",
            "vprkit.methods.boq.recipe:resnet_task",
        ),
    ),
)
