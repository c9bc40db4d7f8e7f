"""LaVPR, cross-modal: a sentence asks for photos. BLIP's towers, fine-tuned with low-rank adapters.

"LaVPR: Benchmarking Language and Vision for Place Recognition" (arXiv 2602.03253). Images and texts end in one space of
256 numbers; queries are texts, the database holds images, or the other way round.
"""

from vprkit.methods.lavpr_crossmodal.checkpoint import recognise
from vprkit.preprocessing import Preprocessing
from vprkit.registry import Declaration, Recipe, Released, Variant

# The published evaluation resizes the normalised tensor. BLIP's and CLIP's mean and deviation are the same.
_BLIP = Preprocessing(
    size=(384, 384), fit="stretch", engine="tensor_antialias", interpolation="bilinear",
    mean=(0.48145466, 0.4578275, 0.40821073), std=(0.26862954, 0.26130258, 0.27577711),
)  # fmt: skip
_CLIP = Preprocessing(
    size=(224, 224), fit="stretch", engine="tensor_antialias", interpolation="bilinear", mean=_BLIP.mean, std=_BLIP.std
)
_SIGLIP = Preprocessing(
    size=(224, 224), fit="stretch", engine="tensor_antialias", interpolation="bilinear",
    mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5),
)  # fmt: skip
_CLIP_B32 = {
    "family": "clip", "image_size": 224, "patch": 32, "text_width": 512, "text_hidden": 2048, "vocabulary": 49408,
    "positions": 77, "dim": 512,
}  # fmt: skip
_SIGLIP_B16 = {"family": "siglip", "image_size": 224, "vocabulary": 32000, "positions": 64, "dim": 768}

METHOD = Declaration(
    name="lavpr-crossmodal",
    summary="LaVPR, cross-modal: texts ask for photos; BLIP with LoRA, or CLIP's or SigLIP's towers",
    paper="LaVPR: Benchmarking Language and Vision for Place Recognition, arXiv 2602.03253",
    licence="BLIP: BSD-3-Clause; LaVPR's adapters: see the project",
    preprocessing=_BLIP,
    configuration="vprkit.methods.lavpr_crossmodal.network:CrossModalConfig",
    network="vprkit.methods.lavpr_crossmodal.network:build",
    metric="ip",
    variants={
        "lavpr-crossmodal-zero-shot": Variant({"direction": "image_to_text", "mask": False}),
        "lavpr-crossmodal-clip": Variant({"family": "clip"}, _CLIP),
        "lavpr-crossmodal-clip-vit-b-32": Variant(_CLIP_B32, _CLIP),
        "lavpr-crossmodal-siglip": Variant({"family": "siglip"}, _SIGLIP),
        "lavpr-crossmodal-siglip-vit-b-16": Variant(_SIGLIP_B16, _SIGLIP),
    },
    released=(
        Released(
            "blip-itm-base-coco.safetensors",
            "https://huggingface.co/Salesforce/blip-itm-base-coco/resolve/main/model.safetensors",
            "BSD-3-Clause",
        ),
    ),
    recognise=recognise,
    key_map="vprkit.methods.lavpr_crossmodal.checkpoint:to_network",
    convert="vprkit.methods.lavpr_crossmodal.checkpoint:convert",
    recipes=(
        Recipe(
            "lavpr-crossmodal",
            "LaVPR's cross-modal training on GSV-Cities with texts: adapters of BLIP, multi-similarity with texts",
            "vprkit.methods.lavpr_crossmodal.recipe:CrossModalRecipe",
            "vprkit.methods.lavpr_crossmodal.recipe:task",
        ),
    ),
)
