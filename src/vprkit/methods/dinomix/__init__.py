"""DINO-Mix: DINOv2's patch tokens, mixed along positions like MixVPR's map.

Huang et al., "DINO-Mix: Enhancing Visual Place Recognition with Foundational Vision Model and Feature Mixing", arXiv
2311.00230.
"""

from vprkit.methods.dinomix.checkpoint import recognise
from vprkit.preprocessing import Preprocessing
from vprkit.registry import Declaration, Recipe

METHOD = Declaration(
    name="dinomix",
    summary="DINO-Mix: DINOv2 ViT-B/14 patch tokens at 224 px, mixed along positions; 4096 dimensions",
    paper="Huang et al., DINO-Mix, arXiv 2311.00230",
    licence="not stated with the files; ask the authors",
    preprocessing=Preprocessing(size=(224, 224), fit="stretch", engine="pil", interpolation="bilinear", multiple=14),
    configuration="vprkit.methods.dinomix.network:DinoMixConfig",
    network="vprkit.methods.dinomix.network:build",
    metric="ip",
    recognise=recognise,
    key_map="vprkit.methods.dinomix.checkpoint:to_network",
    recipes=(
        Recipe(
            "dinomix",
            "DINO-Mix on GSV-Cities: as SALAD (our settings)",
            "vprkit.methods.dinomix.recipe:DinoMixRecipe",
            "vprkit.methods.dinomix.recipe:task",
        ),
    ),
)
