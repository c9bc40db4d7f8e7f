"""Files of cross-modal towers: what their shapes say, and how their names become the network's."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from vprkit.aggregators.sizes import has
from vprkit.backbones.trunk_names import count_numbers, most_common, sizes_at
from vprkit.registry import Shapes

if TYPE_CHECKING:
    from torch import Tensor

_TRAINED = ("text_encoder.base_model.model.", "text_encoder.")
"""Before the towers' names in checkpoints of LaVPR's training, with and without adapters."""

_PARTS = (
    "vision_model.", "text_encoder.", "text_model.", "vision_proj.", "text_proj.", "itm_head.", "visual_projection.",
    "text_projection.",
)  # fmt: skip
"""What names of towers begin with."""

_LEFT_OUT = ("contrastive_logit_scale", "logit_scale", "logit_bias")


def to_network(name: str) -> str | None:
    """The network's name of a tower's parameter; None drops temperatures of training and stored position numbers."""
    return None if name in _LEFT_OUT or name.endswith("position_ids") else f"towers.{name}"


def convert(state: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """The towers of a training checkpoint, its adapters merged; other files as they are.

    Such a checkpoint does not say alpha: it is 2 r, rank-stabilised, as in LaVPR's program.
    """
    from vprkit.weights.lora import lavpr_scaling, merged

    return merged({bare(name): tensor for name, tensor in state.items()}, lavpr_scaling)


def bare(name: str) -> str:
    """A parameter's name without what LaVPR's training puts before it."""
    for prefix in _TRAINED:
        rest = name.removeprefix(prefix)
        if rest != name and rest.startswith(_PARTS):
            return rest
    return name


def recognise(shapes: Shapes) -> dict[str, Any] | None:
    """The options that a checkpoint with these shapes stands for, or None where it holds no such towers."""
    plain = {bare(name).replace(".base_layer.", "."): shape for name, shape in shapes.items()}
    if not has(plain, "vision_model.encoder.layers."):
        return None
    for family, prefix, reader in _LAYOUTS:
        if has(plain, prefix):
            return {"family": family, **reader(plain)}
    return None


def _blip(shapes: Shapes) -> dict[str, Any]:
    layers, text_layers = (count_numbers(shapes, start) for start in ("vision_model.encoder.layers.", _BERT))
    norms = [f"vision_model.encoder.layers.{n}.layer_norm1" for n in range(layers)]
    bert_norms = [f"{_BERT}{n}.attention.output.LayerNorm" for n in range(text_layers)]
    wide = [f"{_BERT}{n}.intermediate.dense" for n in range(text_layers)]
    return {
        **_image_sizes(shapes, norms, 768, "vision_model.embeddings.position_embedding", 1, 384),
        "text_width": _first(shapes, [*bert_norms, "text_encoder.embeddings.LayerNorm"], 768),
        "text_layers": text_layers,
        "text_hidden": _first(shapes, wide, 3072),
        "vocabulary": most_common(sizes_at(shapes, [("text_encoder.embeddings.word_embeddings.weight", 0)]), 30524),
        "positions": most_common(sizes_at(shapes, [("text_encoder.embeddings.position_embeddings.weight", 0)]), 512),
        "dim": _first(shapes, ["vision_proj", "text_proj"], 256),
    }


def _clip(shapes: Shapes) -> dict[str, Any]:
    sizes = _pooled(shapes, 49408, 77)
    return {**sizes, "dim": _first(shapes, ["visual_projection", "text_projection"], 512, parts=("weight",))}


def _siglip(shapes: Shapes) -> dict[str, Any]:
    sizes = _pooled(shapes, 32000, 64)
    return {**sizes, "dim": _first(shapes, ["text_model.head"], sizes["width"])}


def _pooled(shapes: Shapes, vocabulary: int, positions: int) -> dict[str, Any]:
    """Sizes of towers with CLIP's names."""
    layers = count_numbers(shapes, "vision_model.encoder.layers.")
    text_layers = count_numbers(shapes, "text_model.encoder.layers.")
    norms = [f"vision_model.encoder.layers.{n}.layer_norm1" for n in range(layers)]
    text_norms = [f"text_model.encoder.layers.{n}.layer_norm1" for n in range(text_layers)]
    table = "vision_model.embeddings.position_embedding.weight"
    words, places = (f"text_model.embeddings.{kind}_embedding.weight" for kind in ("token", "position"))
    return {
        **_image_sizes(shapes, norms, 768, table, 0, 224),
        "text_width": _first(shapes, text_norms, 512),
        "text_layers": text_layers,
        "text_hidden": _first(shapes, [f"text_model.encoder.layers.{n}.mlp.fc1" for n in range(text_layers)], 2048),
        "vocabulary": most_common(sizes_at(shapes, [(words, 0)]), vocabulary),
        "positions": most_common(sizes_at(shapes, [(places, 0)]), positions),
    }


def _image_sizes(shapes: Shapes, norms: list[str], width: int, table: str, axis: int, side: int) -> dict[str, Any]:
    """Sizes of a vision transformer whose position table counts, or does not count, a class token."""
    layers = len(norms)
    kernel = "vision_model.embeddings.patch_embedding.weight"
    patch = most_common(sizes_at(shapes, [(kernel, 2), (kernel, 3)]), 16, (14, 16, 32))
    (positions,) = sizes_at(shapes, [(table, axis)]) or [(side // patch) ** 2]
    return {
        "width": _first(shapes, norms, width),
        "layers": layers,
        "hidden": _first(shapes, [f"vision_model.encoder.layers.{n}.mlp.fc1" for n in range(layers)], 4 * width),
        "patch": patch,
        "image_size": (math.isqrt(positions) or side // patch) * patch,
    }


def _first(shapes: Shapes, layers: list[str], default: int, parts: tuple[str, ...] = ("bias", "weight")) -> int:
    """The size of the first axis that most of these layers agree on."""
    return most_common(sizes_at(shapes, [(f"{layer}.{part}", 0) for layer in layers for part in parts]), default)


_BERT = "text_encoder.encoder.layer."
_LAYOUTS: tuple[tuple[str, str, Callable[[Shapes], dict[str, Any]]], ...] = (
    ("blip", _BERT, _blip),
    ("siglip", "vision_model.head.", _siglip),
    ("clip", "text_model.encoder.layers.", _clip),
)
"""Family, what only its files hold, and what reads them; the more particular first."""
