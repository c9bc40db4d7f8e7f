"""ProGEO: CLIP's image encoders, fine-tuned with prompts that describe places.

"ProGEO: Generating Prompts through Image-Text Contrastive Learning for Visual Geo-localization" (Mao and Hu, ICANN
2024). A first stage learns four word vectors for every class of SF-XL images, a second one fine-tunes the image encoder
with CosPlace's classifier and the texts' features. Images alone are described.
"""

from vprkit.methods.progeo.checkpoint import RELEASED_SIZE, recognise
from vprkit.preprocessing import Preprocessing
from vprkit.registry import Declaration, Recipe, Variant

# Published tests leave a ResNet's images as they are; a ViT needs exactly the size of its position table, and the
# published program stretches to it. ImageNet's mean and deviation, not CLIP's, for all.
_AS_IS = Preprocessing(size=(512, 512), fit="none", engine="pil", interpolation="bilinear")
_SQUARE = Preprocessing(size=(RELEASED_SIZE, RELEASED_SIZE), fit="stretch", engine="pil", interpolation="bilinear")


def _vit(patch: int) -> Variant:
    sizes = {"encoder": "vit", "layers": [12], "width": 768, "patch": patch, "image_size": RELEASED_SIZE, "dim": 512}
    return Variant(sizes, _SQUARE)


METHOD = Declaration(
    name="progeo",
    summary="ProGEO: CLIP RN50, RN101, ViT-B/16 or ViT-B/32 fine-tuned with learnt prompts on SF-XL",
    paper="Mao, Hu, ProGEO: Generating Prompts through Image-Text Contrastive Learning for VG, ICANN 2024",
    licence="not stated in our sources; see the project",
    preprocessing=_AS_IS,
    configuration="vprkit.methods.progeo.network:ProGEOConfig",
    network="vprkit.methods.progeo.network:build",
    metric="l2",
    variants={
        "progeo-rn50": Variant({"encoder": "resnet", "layers": [3, 4, 6, 3], "width": 64, "dim": 1024}),
        "progeo-rn101": Variant({"encoder": "resnet", "layers": [3, 4, 23, 3], "width": 64, "dim": 512}),
        "progeo-vit-b-16": _vit(16),
        "progeo-vit-b-32": _vit(32),
    },
    recognise=recognise,
    key_map="vprkit.methods.progeo.checkpoint:to_network",
    recipes=(
        Recipe(
            "progeo-prompts",
            "ProGEO's first stage on SF-XL: prompts of the classes of 8 groups, 480 epochs, from CLIP's features",
            "vprkit.methods.progeo.stage_one:ProGEOPromptsRecipe",
            "vprkit.methods.progeo.stage_one:task",
        ),
        Recipe(
            "progeo",
            "ProGEO's second stage on SF-XL: classifiers of 8 groups and texts, 64 epochs of 10000 batches of 32",
            "vprkit.methods.progeo.stage_two:ProGEORecipe",
            "vprkit.methods.progeo.stage_two:task",
            stages=("progeo-prompts",),
        ),
    ),
)
