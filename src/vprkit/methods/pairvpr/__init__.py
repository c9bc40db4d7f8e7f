"""Pair-VPR: a DINOv2's class token finds candidates, a transformer that reads two images at once re-ranks them.

Hausler and Moghadam, "Pair-VPR: Place-Aware Pre-training and Contrastive Pair Classification for Visual Place
Recognition with Vision Transformers", IEEE RA-L 2025, arXiv 2410.06614.
"""

from vprkit.methods.pairvpr.checkpoint import recognise
from vprkit.preprocessing import Preprocessing
from vprkit.registry import Declaration, Recipe, Released, Variant

_PAGE = "https://github.com/csiro-robotics/Pair-VPR"
_LICENCE = "CSIRO, non-commercial use only"
_PRETRAINED = {"vitb": "500epochs-vitB", "vitl": "1000epochs-vitL", "vitg": "1000epochs-vitG"}

SPEED, PERFORMANCE = 100, 500
"""Candidates of the original's two evaluation settings."""

METHOD = Declaration(
    name="pairvpr",
    summary="Pair-VPR: 512 numbers from DINOv2's class token, and a decoder that judges pairs of images",
    paper="Hausler and Moghadam, Pair-VPR, IEEE RA-L 2025, arXiv 2410.06614",
    licence=_LICENCE,
    preprocessing=Preprocessing(size=(322, 322), fit="stretch", engine="pil", interpolation="bilinear", multiple=14),
    configuration="vprkit.methods.pairvpr.network:PairVPRConfig",
    network="vprkit.methods.pairvpr.network:build",
    metric="l2",
    variants={
        **{
            f"pairvpr-vit{size.lower()}": Variant({"size": size}, candidates=count)
            for size, count in (("S", None), ("B", SPEED), ("L", None), ("g", PERFORMANCE))
        },
        "pairvpr-speed": Variant({"size": "B"}, candidates=SPEED),
        "pairvpr-performance": Variant({"size": "g"}, candidates=PERFORMANCE),
        **{
            f"pairvpr-pretrained-vit{size.lower()}": Variant({"size": size, "class_token": False})
            for size in ("S", "B", "L", "g")
        },
    },
    released=(
        *(
            Released(f"pairvpr-{name}.pth", _PAGE, _LICENCE, variant=f"pairvpr-{name.lower()}", browser_only=True)
            for name in ("vitB", "vitL", "vitG")
        ),
        Released("pairvpr-vitB.pth", _PAGE, _LICENCE, variant="pairvpr-speed", browser_only=True),
        Released("pairvpr-vitG.pth", _PAGE, _LICENCE, variant="pairvpr-performance", browser_only=True),
        *(
            Released(
                f"pairvpr-pretrained-{file}.pth",
                _PAGE,
                _LICENCE,
                variant=f"pairvpr-pretrained-{name}",
                browser_only=True,
            )
            for name, file in _PRETRAINED.items()
        ),
    ),
    reranker="vprkit.methods.pairvpr.classifier:make_reranker",
    recognise=recognise,
    key_map="vprkit.methods.pairvpr.checkpoint:to_network",
    convert="vprkit.methods.pairvpr.checkpoint:complete",
    unfinished="vprkit.methods.pairvpr.checkpoint:unfinished",
    recipes=(
        Recipe(
            "pairvpr-pretrain",
            "Pair-VPR's first stage: masked images filled in with another image of the place; SF-XL, GLv2, GSV-Cities",
            "vprkit.methods.pairvpr.stage_one:PairVPRPretrainRecipe",
            "vprkit.methods.pairvpr.stage_one:task",
        ),
        Recipe(
            "pairvpr",
            "Pair-VPR's second stage on GSV-Cities: global descriptor and judge of pairs, 100 x 4 images, 322 px",
            "vprkit.methods.pairvpr.stage_two:PairVPRRecipe",
            "vprkit.methods.pairvpr.stage_two:task",
            stages=("pairvpr-pretrain",),
        ),
    ),
)
