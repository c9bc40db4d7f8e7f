"""The CLIP that ProGEO starts from: OpenAI's archives, transformers' files, or what ProGEO made of one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from vprkit.backbones.clip_names import METADATA, from_transformers
from vprkit.backbones.clip_positions import resize_clip_positions
from vprkit.backbones.clip_resnet import ClipResNet
from vprkit.backbones.clip_text import ClipText
from vprkit.backbones.clip_vit import ClipViT
from vprkit.backbones.trunk_names import count_numbers
from vprkit.errors import NotAvailable, WeightsError
from vprkit.methods.progeo.checkpoint import resnet_sizes, vit_sizes
from vprkit.weights.fetching import find
from vprkit.weights.fitting import fit
from vprkit.weights.reading import read, sha256_of

PRETRAINED = "pretrained"

OPENAI = {
    "progeo-rn50": "RN50.pt",
    "progeo-rn101": "RN101.pt",
    "progeo-vit-b-16": "ViT-B-16.pt",
    "progeo-vit-b-32": "ViT-B-32.pt",
}
"""Variant -> OpenAI's file, which the weights folder must hold."""

_POOL = "attnpool."
_HEAD_WIDTH = 64


@dataclass(frozen=True)
class Clip:
    """A CLIP's tensors in float32.

    Attributes:
        path: where they came from.
        sha256: of that file.
        image: the image encoder's, OpenAI's names without `visual.`.
        text: the text tower's, OpenAI's names.
        table: (49408, width) word vectors.
    """

    path: Path
    sha256: str
    image: Mapping[str, Tensor]
    text: Mapping[str, Tensor]
    table: Tensor

    @property
    def dim(self) -> int:
        """Joint width of images and texts."""
        return self.text["text_projection"].shape[1]


def find_clip(clip: str, variant: str) -> Path:
    """The file that `clip` names: `pretrained` is OpenAI's of the variant, in the weights folder.

    Raises:
        NotAvailable: it is not there; the message says which file is wanted.
    """
    if clip != PRETRAINED:
        return find(clip)
    if variant not in OPENAI:
        raise NotAvailable(f"no CLIP file of these sizes is known; give clip=FILE, or the sizes of {', '.join(OPENAI)}")
    try:
        return find(OPENAI[variant])
    except NotAvailable as error:
        raise NotAvailable(f"OpenAI's {OPENAI[variant]} is not here: put it into the weights folder, or give "
                           "clip=FILE") from error  # fmt: skip


def read_clip(path: Path) -> Clip:
    """The towers of a file: OpenAI's archive, transformers' tensors, or what ProGEO made of one.

    Raises:
        WeightsError: it is no CLIP with both towers.
    """
    return clip_of(read(path).state, path, sha256_of(path))


def clip_of(state: Mapping[str, Tensor], path: Path, sha256: str) -> Clip:
    """The towers of a file's tensors.

    Raises:
        WeightsError: it is no CLIP with both towers.
    """
    if any(name.startswith("vision_model.") for name in state):
        state = from_transformers(state)
    if any(name.startswith("text_encoder.") for name in state):
        state = {name.replace("backbone.", "visual.", 1).removeprefix("text_encoder."): value
                 for name, value in state.items() if not name.startswith("aggregation.")}  # fmt: skip
    state = {n: value.float() for n, value in state.items() if n not in (*METADATA, "logit_scale")}
    table = state.pop("token_embedding.weight", None)
    image = {name.removeprefix("visual."): value for name, value in state.items() if name.startswith("visual.")}
    text = {name: value for name, value in state.items() if not name.startswith("visual.")}
    if table is None or not image or "positional_embedding" not in text or "text_projection" not in text:
        raise WeightsError(f"{path} is no CLIP with image and text tower; give OpenAI's file or transformers'")
    return Clip(path, sha256, image, text, table)


class PooledResNet(nn.Module):
    """CLIP's ResNet with its own attention pool: (B, 3, S, S) -> (B, dim)."""

    def __init__(self, backbone: ClipResNet) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> Tensor:
        vectors: Tensor = self.backbone.attnpool(self.backbone(images))
        return vectors


def image_encoder(clip: Clip) -> tuple[nn.Module, int]:
    """CLIP's own image encoder, and the side of the images it takes (224 in OpenAI's files)."""
    shapes = {f"backbone.{name}": tuple(value.shape) for name, value in clip.image.items()}
    source = f"{clip.path} does not fit CLIP's image encoder"
    if any(name.startswith("transformer.") for name in clip.image):
        sizes = vit_sizes(shapes)
        vit = ClipViT(sizes["image_size"], sizes["patch"], sizes["width"], sizes["layers"][0], sizes["dim"])
        fit(vit, clip.image, source=source)
        return vit, vit.image_size
    sizes = resnet_sizes(shapes)
    resnet = ClipResNet(tuple(sizes["layers"]), sizes["width"])
    positions, dim = (
        shapes.get(f"backbone.{_POOL}{name}", (0,))[0] for name in ("positional_embedding", "c_proj.bias")
    )
    grid = round(max(0, positions - 1) ** 0.5)
    fit(resnet.add_attention_pool(grid, dim), _counted(clip.image, resnet), source=source)
    return PooledResNet(resnet), 32 * grid


def text_tower(clip: Clip) -> ClipText:
    """CLIP's text tower, frozen."""
    context, width = clip.text["positional_embedding"].shape
    layers = count_numbers(clip.text, "transformer.resblocks.")
    tower = ClipText(width, layers, max(1, width // _HEAD_WIDTH), clip.dim, context)
    fit(tower, clip.text, source=f"{clip.path} does not fit CLIP's text tower")
    return tower.eval().requires_grad_(False)


def start_backbone(backbone: ClipResNet | ClipViT, clip: Clip) -> None:
    """Give ProGEO's encoder CLIP's weights: without the attention pool, with positions for its own image size."""
    state = {name: value for name, value in clip.image.items() if not name.startswith(_POOL)}
    if isinstance(backbone, ClipViT) and "positional_embedding" in state:
        side = round((len(backbone.positional_embedding) - 1) ** 0.5)
        state["positional_embedding"] = resize_clip_positions(state["positional_embedding"], side)
    fit(backbone, _counted(state, backbone), source=f"{clip.path} does not fit ProGEO's image encoder")


def _counted(state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """With BatchNorm's counters of batches as whole numbers; float32 was made of all."""
    own = network.state_dict()
    return {n: value.to(own[n].dtype) if n.endswith("num_batches_tracked") and n in own else value
            for n, value in state.items()}  # fmt: skip
