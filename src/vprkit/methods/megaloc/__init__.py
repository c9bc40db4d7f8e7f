"""MegaLoc: DINOv2, a wide SALAD and one linear layer, trained on several data sets at once.

Berton and Masone, "MegaLoc: One Retrieval to Place Them All", CVPR Workshops 2025, arXiv 2502.17237.
"""

from vprkit.methods.megaloc.checkpoint import recognise
from vprkit.preprocessing import Preprocessing
from vprkit.registry import Declaration, Recipe, Released

_LICENCE = "MIT"

METHOD = Declaration(
    name="megaloc",
    summary="MegaLoc: DINOv2 ViT-B/14, SALAD, linear layer; 8448 dimensions",
    paper="Berton and Masone, MegaLoc: One Retrieval to Place Them All, CVPRW 2025, arXiv 2502.17237",
    licence=_LICENCE,
    preprocessing=Preprocessing(size=(322, 322), fit="stretch", engine="pil", interpolation="bilinear", multiple=14),
    configuration="vprkit.methods.megaloc.network:MegaLocConfig",
    network="vprkit.methods.megaloc.network:build",
    metric="ip",
    released=(
        Released(
            "model.safetensors", "https://huggingface.co/gberton/MegaLoc/resolve/main/model.safetensors", _LICENCE
        ),
    ),
    recognise=recognise,
    recipes=(
        Recipe(
            "megaloc",
            "MegaLoc on GSV-Cities: as SALAD (our settings)",
            "vprkit.methods.megaloc.recipe:MegaLocRecipe",
            "vprkit.methods.megaloc.recipe:task",
        ),
    ),
)
