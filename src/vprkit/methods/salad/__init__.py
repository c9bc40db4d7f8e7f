"""SALAD: DINOv2's patch tokens, transported to clusters, beside its class token.

Izquierdo and Civera, "Optimal Transport Aggregation for Visual Place Recognition", CVPR 2024, arXiv 2311.15937.
CliqueMining ("Close, But Not There", ECCV 2024, arXiv 2407.02422) is the same network with other weights.
"""

from vprkit.methods.salad.checkpoint import recognise
from vprkit.preprocessing import Preprocessing
from vprkit.registry import Declaration, Recipe, Released, Variant

_LICENCE = "GPL-3.0"
_FILE = "dino_salad.ckpt"

METHOD = Declaration(
    name="salad",
    summary="DINOv2 SALAD: optimal transport of patch tokens to clusters; also CliqueMining and indoor weights",
    paper="Izquierdo and Civera, Optimal Transport Aggregation for VPR, CVPR 2024, arXiv 2311.15937",
    licence=_LICENCE,
    preprocessing=Preprocessing(size=(322, 322), fit="stretch", engine="pil", interpolation="bilinear", multiple=14),
    configuration="vprkit.methods.salad.network:SaladConfig",
    network="vprkit.methods.salad.network:build",
    metric="ip",
    variants={"clique-mining": Variant(), "salad-indoor": Variant()},
    released=(
        Released(
            _FILE, f"https://github.com/serizba/salad/releases/download/v1.0.0/{_FILE}", _LICENCE, variant="salad"
        ),
        Released(
            "cliquemining.ckpt",
            "https://github.com/serizba/cliquemining",
            "not stated with the files; ask the authors",
            variant="clique-mining",
            browser_only=True,
        ),
    ),
    recognise=recognise,
    recipes=(
        Recipe(
            "salad",
            "SALAD on GSV-Cities: 60 places x 4 images, 224 px, AdamW, 4 epochs",
            "vprkit.methods.salad.recipe:SaladRecipe",
            "vprkit.methods.salad.recipe:task",
        ),
    ),
)
