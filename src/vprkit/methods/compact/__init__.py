"""Compact: a small network that learns one's own streets from nothing, in minutes, on a laptop.

No paper stands behind it: it is the basic-block ResNet of He et al. (CVPR 2016), narrowed, under the feature mixer of
MixVPR (Ali-bey et al., WACV 2023), at 96 px. It is for demonstrations, robots and cameras that see the same streets
again; systems trained on millions of photos know more of the world.
"""

from vprkit.preprocessing import Preprocessing
from vprkit.registry import Declaration, Recipe

METHOD = Declaration(
    name="compact",
    summary="a small network that trains from nothing in minutes: demos, laptops, robots, one's own streets",
    paper="none; a narrow ResNet (He et al., CVPR 2016) with MixVPR's mixer (Ali-bey et al., WACV 2023)",
    licence="none: no weights are released, train it",
    preprocessing=Preprocessing(size=(96, 96), fit="stretch", engine="pil", interpolation="bilinear"),
    configuration="vprkit.methods.compact.network:CompactConfig",
    network="vprkit.methods.compact.network:build",
    recipes=(
        Recipe(
            "compact",
            "compact from nothing: 16 places x 8 images, 96 px, AdamW, minutes on a laptop",
            "vprkit.methods.compact.recipe:CompactRecipe",
            "vprkit.methods.compact.recipe:task",
        ),
    ),
)
