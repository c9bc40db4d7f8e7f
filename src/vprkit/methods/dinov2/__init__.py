"""DINOv2 without any training for places: its class token, or GeM over its patch tokens, as global descriptor.

Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", arXiv 2304.07193; registers: Darcet et al.,
arXiv 2309.16588. Code and weights by Meta under Apache-2.0.
"""

from vprkit.methods.dinov2.checkpoint import SIZES, recognise
from vprkit.preprocessing import Preprocessing
from vprkit.registry import Declaration, Released, Variant

_LICENCE = "Apache-2.0"
_HOST = "https://dl.fbaipublicfiles.com/dinov2"


def _name(size: str, registers: int) -> str:
    return f"dinov2-vit{size.lower()}14" + (f"-reg{registers}" if registers else "")


def _released(size: str, registers: int) -> Released:
    model = f"dinov2_vit{size.lower()}14"
    file = f"{model}_reg{registers}_pretrain.pth" if registers else f"{model}_pretrain.pth"
    return Released(file, f"{_HOST}/{model}/{file}", _LICENCE, variant=_name(size, registers))


_MODELS = [(size, registers) for size in SIZES for registers in (0, 4)]

METHOD = Declaration(
    name="dinov2",
    summary="DINOv2 ViT S/B/L/g, with or without registers: class token or GeM of patch tokens, no training for places",
    paper="Oquab et al., DINOv2: Learning Robust Visual Features without Supervision, TMLR 2024, arXiv 2304.07193",
    licence=_LICENCE,
    # DINOv2 prescribes no size. 322 (23 x 23 patches) is what the place-recognition systems built on it evaluate with
    # (SALAD, CricaVPR, RerankVPR, Pair-VPR), so their baselines compare. Any multiple of 14 works: resize=224, 518, ...
    preprocessing=Preprocessing(size=(322, 322), fit="stretch", engine="pil", interpolation="bilinear", multiple=14),
    configuration="vprkit.methods.dinov2.network:DinoV2Config",
    network="vprkit.methods.dinov2.network:build",
    metric="ip",
    variants={_name(size, registers): Variant({"size": size, "registers": registers}) for size, registers in _MODELS},
    released=tuple(_released(size, registers) for size, registers in _MODELS),
    recognise=recognise,
    key_map="vprkit.methods.dinov2.checkpoint:to_network",
)
