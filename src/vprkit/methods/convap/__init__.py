"""ConvAP: a whole ResNet-50, a 1x1 convolution, means over 2x2 regions.

Ali-bey, Chaib-draa, Giguere, "GSV-Cities: Toward Appropriate Supervised Visual Place Recognition", Neurocomputing 2022.
"""

from vprkit.methods.convap.checkpoint import recognise
from vprkit.preprocessing import Preprocessing
from vprkit.registry import Declaration, Recipe, Released, Variant

_PAGE = "https://github.com/amaralibey/gsv-cities"
_LICENCE = "none given by the authors"
_CHANNELS = (2048, 1024, 512, 128)

METHOD = Declaration(
    name="convap",
    summary="ConvAP: ResNet-50, 1x1 convolution, means over 2x2 regions; 8192, 4096, 2048 or 512 dimensions",
    paper="Ali-bey et al., GSV-Cities: Toward Appropriate Supervised VPR, Neurocomputing 2022, arXiv 2210.10239",
    licence=_LICENCE,
    preprocessing=Preprocessing(size=(320, 320), fit="stretch", engine="pil", interpolation="bilinear"),
    configuration="vprkit.methods.convap.network:ConvAPConfig",
    network="vprkit.methods.convap.network:build",
    metric="ip",
    variants={f"convap-{4 * channels}": Variant({"out_channels": channels}) for channels in _CHANNELS},
    released=tuple(
        Released(
            f"resnet50_ConvAP_{channels}_2x2.ckpt", _PAGE, _LICENCE, variant=f"convap-{4 * channels}", browser_only=True
        )
        for channels in _CHANNELS
    ),
    recognise=recognise,
    recipes=(
        Recipe(
            "convap",
            "ConvAP on GSV-Cities: 100 places x 4 images, 320 px, AdamW, 30 epochs",
            "vprkit.methods.convap.recipe:ConvAPRecipe",
            "vprkit.methods.convap.recipe:task",
        ),
    ),
)
