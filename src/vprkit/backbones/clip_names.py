"""OpenAI's names of CLIP's tensors, and transformers' for the same; needs no torch to import.

Linear layers that OpenAI keeps as plain matrices are transposed there, and the joint projection of queries, keys and
values is three.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_WHOLE = {
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "logit_scale": "logit_scale",
}
_TURNED = {"text_projection": "text_projection.weight", "visual.proj": "visual_projection.weight"}
_STARTS = {
    "visual.ln_pre.": "vision_model.pre_layrnorm.",
    "visual.ln_post.": "vision_model.post_layernorm.",
    "visual.transformer.resblocks.": "vision_model.encoder.layers.",
    "transformer.resblocks.": "text_model.encoder.layers.",
    "ln_final.": "text_model.final_layer_norm.",
}
_PARTS = {".attn.out_proj.": ".self_attn.out_proj.", ".ln_1.": ".layer_norm1.", ".ln_2.": ".layer_norm2."}
_PARTS |= {".mlp.c_fc.": ".mlp.fc1.", ".mlp.c_proj.": ".mlp.fc2."}
_JOINT = re.compile(r"(.*)\.attn\.in_proj_(weight|bias)")

METADATA = ("input_resolution", "context_length", "vocab_size")
"""Scalars that OpenAI's archives may hold beside the weights."""


def transformers_name(name: str) -> str | list[str]:
    """transformers' name of OpenAI's tensor; the three names of a joint projection in the order q, k, v.

    Raises:
        KeyError: it is no tensor of a CLIP with a vision transformer.
    """
    if name in _WHOLE or name in _TURNED:
        return _WHOLE.get(name) or _TURNED[name]
    start = next((start for start in _STARTS if name.startswith(start)), None)
    if start is None:
        raise KeyError(name)
    renamed = _STARTS[start] + name.removeprefix(start)
    if joint := _JOINT.fullmatch(renamed):
        return [f"{joint[1]}.self_attn.{part}_proj.{joint[2]}" for part in "qkv"]
    for part, other in _PARTS.items():
        renamed = renamed.replace(part, other)
    return renamed


def to_transformers(state: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """OpenAI's tensors of a CLIP with a vision transformer under transformers' names."""
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name in METADATA:
            continue
        other = transformers_name(name)
        if isinstance(other, list):
            found |= dict(zip(other, tensor.chunk(3), strict=True))
        else:
            found[other] = tensor.T.contiguous() if name in _TURNED else tensor
    return found


def from_transformers(state: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """transformers' tensors of a CLIP under OpenAI's names; buffers of position numbers are left out."""
    import torch

    found: dict[str, Tensor] = {}
    left = {name: tensor for name, tensor in state.items() if not name.endswith("position_ids")}
    for name in openai_names(left):
        other = transformers_name(name)
        if isinstance(other, list):
            found[name] = torch.cat([left.pop(part) for part in other])
        else:
            tensor = left.pop(other)
            found[name] = tensor.T.contiguous() if name in _TURNED else tensor
    return found | left


def openai_names(names: "Mapping[str, Tensor]") -> list[str]:
    """OpenAI's names of what is there under transformers' names, complete ones only."""
    wanted: list[str] = [*_WHOLE, *_TURNED]
    for start, other in _STARTS.items():
        for name in names:
            if name.startswith(other):
                rest = name.removeprefix(other)
                for own, foreign in _PARTS.items():
                    rest = rest.replace(foreign, own)
                joint = re.fullmatch(r"(.*)\.self_attn\.q_proj\.(weight|bias)", rest)
                wanted.append(start + (f"{joint[1]}.attn.in_proj_{joint[2]}" if joint else rest))
    return [name for name in dict.fromkeys(wanted) if ".self_attn." not in name and _there(name, names)]


def _there(name: str, names: "Mapping[str, Tensor]") -> bool:
    other = transformers_name(name)
    return all(part in names for part in (other if isinstance(other, list) else [other]))
