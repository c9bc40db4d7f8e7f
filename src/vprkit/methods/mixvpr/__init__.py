"""MixVPR: a ResNet-50 without its last stage, its map mixed along positions.

Ali-bey, Chaib-draa, Giguere, "MixVPR: Feature Mixing for Visual Place Recognition", WACV 2023, arXiv 2303.02190.
"""

from vprkit.methods.mixvpr.checkpoint import recognise
from vprkit.preprocessing import Preprocessing
from vprkit.registry import Declaration, Recipe, Released, Variant

_PAGE = "https://github.com/amaralibey/MixVPR"
_LICENCE = "not stated with the files; ask the authors"
_MODELS = {4096: (1024, 4), 512: (256, 2), 128: (64, 2)}


def _released(dim: int) -> Released:
    channels, rows = _MODELS[dim]
    file = f"resnet50_MixVPR_{dim}_channels({channels})_rows({rows}).ckpt"
    return Released(file, _PAGE, _LICENCE, variant=f"mixvpr-{dim}", browser_only=True)


METHOD = Declaration(
    name="mixvpr",
    summary="MixVPR: ResNet-50 feature maps mixed along positions; 4096, 512 or 128 dimensions",
    paper="Ali-bey et al., MixVPR: Feature Mixing for Visual Place Recognition, WACV 2023, arXiv 2303.02190",
    licence=_LICENCE,
    preprocessing=Preprocessing(size=(320, 320), fit="stretch", engine="pil", interpolation="bilinear"),
    configuration="vprkit.methods.mixvpr.network:MixVPRConfig",
    network="vprkit.methods.mixvpr.network:build",
    metric="ip",
    variants={
        f"mixvpr-{dim}": Variant({"out_channels": channels, "out_rows": rows})
        for dim, (channels, rows) in _MODELS.items()
    },
    released=tuple(_released(dim) for dim in _MODELS),
    recognise=recognise,
    recipes=(
        Recipe(
            "mixvpr",
            "MixVPR on GSV-Cities: 120 places x 4 images, 320 px, SGD, 80 epochs",
            "vprkit.methods.mixvpr.recipe:MixVPRRecipe",
            "vprkit.methods.mixvpr.recipe:task",
        ),
    ),
)
