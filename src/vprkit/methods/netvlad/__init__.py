"""NetVLAD: VGG-16 and soft-assigned residuals, whitened to 4096 dimensions.

Arandjelovic et al., "NetVLAD: CNN architecture for weakly supervised place recognition", CVPR 2016, arXiv 1511.07247.
"""

from vprkit.methods.netvlad.checkpoint import recognise
from vprkit.preprocessing import Preprocessing
from vprkit.registry import Declaration, Recipe, Released, Variant

_LICENCE = "not stated with the files; ask the authors"
_FILE = "VGG16-NetVLAD-Pitts30K.mat"
_MEAN = (123.68, 116.779, 103.939)  # the VGG authors' mean colour, in 0..255

METHOD = Declaration(
    name="netvlad",
    summary="NetVLAD: VGG-16, 64 clusters, whitened to 4096 dimensions (or raw: 32768)",
    paper="Arandjelovic et al., NetVLAD: CNN architecture for weakly supervised place recognition, CVPR 2016",
    licence=_LICENCE,
    # The network wants values of 0 to 255 less the mean colour: x * 255 - m = (x - m / 255) / (1 / 255).
    preprocessing=Preprocessing(
        size=(480, 640), fit="stretch", mean=tuple(value / 255 for value in _MEAN), std=(1 / 255,) * 3
    ),
    configuration="vprkit.methods.netvlad.network:NetVLADConfig",
    network="vprkit.methods.netvlad.network:build",
    metric="ip",
    variants={"netvlad-4096": Variant({"whitened": True}), "netvlad-32768": Variant({"whitened": False})},
    released=(Released(_FILE, "https://cvg-data.inf.ethz.ch/hloc/netvlad/Pitts30K_struct.mat", _LICENCE),),
    recognise=recognise,
    convert="vprkit.methods.netvlad.checkpoint:convert",
    recipes=(
        Recipe(
            "netvlad",
            "NetVLAD on GSV-Cities: 60 places x 4 images, 320 px, AdamW, 30 epochs (our settings)",
            "vprkit.methods.netvlad.recipe:NetVLADRecipe",
            "vprkit.methods.netvlad.recipe:task",
        ),
    ),
)
