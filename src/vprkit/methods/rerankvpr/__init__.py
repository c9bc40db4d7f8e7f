"""RerankVPR: the class token of a fine-tuned DINOv2 finds candidates, patches of the same network re-rank them.

"Attention-Guided Visual Place Recognition with Memory-Enhanced Training". Training remembers the vectors of earlier
batches as further negatives, which count the less the older they are.
"""

from vprkit.methods.rerankvpr.checkpoint import SIZES, recognise
from vprkit.preprocessing import Preprocessing
from vprkit.registry import Declaration, Recipe, Variant

METHOD = Declaration(
    name="rerankvpr",
    summary="RerankVPR: class token of a fine-tuned DINOv2 S/B/L/g, trained with a memory of earlier batches",
    paper="Attention-Guided Visual Place Recognition with Memory-Enhanced Training (code released, no weights)",
    licence="none: no weights are released, train it",
    preprocessing=Preprocessing(size=(322, 322), fit="stretch", engine="pil", interpolation="bilinear", multiple=14),
    configuration="vprkit.methods.rerankvpr.network:RerankVPRConfig",
    network="vprkit.methods.rerankvpr.network:build",
    reranker="vprkit.methods.rerankvpr.network:make_reranker",
    candidates=10,
    metric="l2",
    variants={
        **{f"rerankvpr-{name}": Variant({"size": size}) for name, size in SIZES.items()},
        **{f"rerankvpr-{name}-reg4": Variant({"size": size, "registers": 4}) for name, size in SIZES.items()},
    },
    recognise=recognise,
    key_map="vprkit.methods.rerankvpr.checkpoint:to_network",
    recipes=(
        Recipe(
            "rerankvpr",
            "RerankVPR on GSV-Cities: 64 places x 4 images, 224 px, AdamW, 30 epochs, memory from the sixth on",
            "vprkit.methods.rerankvpr.recipe:RerankVPRRecipe",
            "vprkit.methods.rerankvpr.recipe:task",
        ),
    ),
)
