"""CricaVPR-small: regional means of a small DINOv2, refined by attention across the images of a batch.

Lu et al., "CricaVPR: Cross-image Correlation-aware Representation Learning for Visual Place Recognition", CVPR 2024,
arXiv 2402.19231. An image's descriptor depends on what else is in its batch: that is the published idea.
"""

from vprkit.preprocessing import Preprocessing
from vprkit.registry import Declaration, Recipe

METHOD = Declaration(
    name="cricavpr_small",
    summary="CricaVPR on DINOv2 ViT-S/14: descriptors depend on the other images of the batch; 5376 dimensions",
    paper="Lu et al., CricaVPR: Cross-image Correlation-aware Representation Learning for VPR, CVPR 2024",
    licence="not stated with the files; ask the authors",
    preprocessing=Preprocessing(size=(224, 224), fit="stretch", engine="pil", interpolation="bilinear", multiple=14),
    configuration="vprkit.methods.cricavpr_small.network:CricaVPRConfig",
    network="vprkit.methods.cricavpr_small.network:build",
    metric="ip",
    recipes=(
        Recipe(
            "cricavpr_small",
            "CricaVPR-small on GSV-Cities: as SALAD (our settings)",
            "vprkit.methods.cricavpr_small.recipe:CricaVPRRecipe",
            "vprkit.methods.cricavpr_small.recipe:task",
        ),
    ),
)
