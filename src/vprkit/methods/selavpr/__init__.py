"""SelaVPR: a frozen DINOv2 with small adapters; a global vector to find candidates, a dense local map to re-rank them.

Lu, Zhang, Lan, Dong, Wang, Yuan, "Towards Seamless Adaptation of Pre-trained Models for Visual Place Recognition", ICLR
2024, arXiv 2402.14505.
"""

from vprkit.methods.selavpr.checkpoint import recognise
from vprkit.preprocessing import Preprocessing
from vprkit.registry import Declaration, Recipe, Released, Variant

_PAGE = "https://github.com/Lu-Feng/SelaVPR"
_LICENCE = "MIT"

METHOD = Declaration(
    name="selavpr",
    summary="SelaVPR: DINOv2-L with adapters; global vectors of 1024 numbers and dense local maps for re-ranking",
    paper="Lu et al., Towards Seamless Adaptation of Pre-trained Models for Visual Place Recognition, ICLR 2024, "
    "arXiv 2402.14505",
    licence=_LICENCE,
    # The published evaluation resizes the normalised float tensor without antialias; numbers depend on it.
    preprocessing=Preprocessing(size=(224, 224), fit="stretch", engine="tensor", interpolation="bilinear", multiple=14),
    configuration="vprkit.methods.selavpr.network:SelaVPRConfig",
    network="vprkit.methods.selavpr.network:build",
    metric="ip",
    variants={
        "selavpr-msls": Variant(),
        "selavpr-pitts30k": Variant(),
        "selavpr-reg4-msls": Variant({"registers": 4}),
    },
    released=(
        Released("SelaVPR_msls.pth", _PAGE, _LICENCE, variant="selavpr-msls", browser_only=True),
        Released("SelaVPR_pitts30k.pth", _PAGE, _LICENCE, variant="selavpr-pitts30k", browser_only=True),
        Released("SelaVPR_reg4_msls.pth", _PAGE, _LICENCE, variant="selavpr-reg4-msls", browser_only=True),
    ),
    recognise=recognise,
    recipes=(
        Recipe(
            "selavpr",
            "SelaVPR: adapters on a frozen DINOv2-L, triplets with mined negatives, 224 px; MSLS, then Pitts30k",
            "vprkit.methods.selavpr.recipe:SelaVPRRecipe",
            "vprkit.methods.selavpr.recipe:task",
        ),
    ),
    reranker="vprkit.methods.selavpr.network:make_reranker",
    candidates=100,
)
