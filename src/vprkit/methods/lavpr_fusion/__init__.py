"""LaVPR's fusion: a photo and a sentence about it, weighed against each other.

"LaVPR: Benchmarking Language and Vision for Place Recognition", arXiv 2602.03253. Any image method beside a sentence
encoder; a small trained head (ADS) decides how much each counts.
"""

from vprkit.methods.lavpr_fusion.checkpoint import recognise
from vprkit.preprocessing import Preprocessing
from vprkit.registry import Declaration, Recipe, Variant

METHOD = Declaration(
    name="lavpr-fusion",
    summary="LaVPR: any image method beside a sentence encoder; image, text, concatenated or with weights (ADS)",
    paper="LaVPR: Benchmarking Language and Vision for Place Recognition, arXiv 2602.03253",
    licence="not stated in our sources; see the project",
    preprocessing=Preprocessing(size=(320, 320), fit="stretch", engine="tensor_antialias", interpolation="bilinear"),
    configuration="vprkit.methods.lavpr_fusion.network:LaVPRConfig",
    network="vprkit.methods.lavpr_fusion.parts:build",
    metric="ip",
    variants={
        "lavpr-ads-mixvpr512": Variant({"image": "mixvpr-512", "text": "bge-large", "pooling": "cls", "head": "ads"}),
        "lavpr-ads-mixvpr4096": Variant({"image": "mixvpr-4096", "text": "bge-large", "pooling": "cls", "head": "ads"}),
    },
    recognise=recognise,
    suggested=("pooling", "image_pooling"),  # both poolers of a modality have the same parameters
    reranker="vprkit.methods.lavpr_fusion.reranking:make_reranker",
    prepared="vprkit.methods.lavpr_fusion.parts:preprocessing_of",
    assemble="vprkit.methods.lavpr_fusion.parts:assemble",
    recipes=(
        Recipe(
            "lavpr-fusion",
            "LaVPR's weighting of images and texts on GSV-Cities: a small head beside frozen encoders, 10 epochs",
            "vprkit.methods.lavpr_fusion.recipe:FusionRecipe",
            "vprkit.methods.lavpr_fusion.recipe:task",
        ),
    ),
)
