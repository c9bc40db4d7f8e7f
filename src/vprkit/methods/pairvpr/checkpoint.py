"""What the shapes of a Pair-VPR file say, and how its names map to the network. Needs no torch at import.

Final files are bare state dicts; stage-one files hold one under `model`, beside the optimiser and the run's arguments.
Stage one has no decoder class token, which is how the two are told apart.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from vprkit.backbones.dinov2_sizes import HEAD_WIDTH, PATCH, read_dinov2
from vprkit.registry import Shapes

if TYPE_CHECKING:
    from torch import Tensor

    from vprkit.methods.pairvpr.network import PairVPRConfig

_ENCODER = "encoder.model."
_BLOCK = re.compile(r"^dec_blocks\.(\d+)\.")
_CLASS_TOKEN = ("decoder_clstoken", "dec_pos_embed_cls")


def to_network(name: str) -> str:
    """The network's name of a checkpoint's parameter."""
    return f"encoder.{name.removeprefix(_ENCODER)}" if name.startswith(_ENCODER) else name


def recognise(shapes: Shapes) -> dict[str, Any] | None:
    """The options that a checkpoint with these shapes stands for, or None where it is no Pair-VPR.

    Sizes are what most of several tensors say, so that one that is missing or damaged is reported by name later.
    """
    encoder = read_dinov2(shapes, _ENCODER)
    if encoder is None or not any(".cross_attn.proj" in name for name in shapes):
        return None
    width = _most(_last(shapes, ("decoder_embed.bias", "dec_norm.weight", "dec_norm.bias", "dec_pos_embed")))
    descriptor = _most(_first(shapes, ("globalizer.0.bias", "globalizer.0.weight")))
    hidden = _most([*_first(shapes, ("classvprmodule.0.bias", "classvprmodule.0.weight")),
                    *_last(shapes, ("classvprmodule.2.weight",))])  # fmt: skip
    mlp = _most(shape[0] for name, shape in shapes.items() if _BLOCK.match(name) and name.endswith("mlp.fc1.bias"))
    if not (width and descriptor and hidden and mlp):
        return None
    rows = [*_first(shapes, ("dec_pos_embed",)), *(count - 1 for count in _first(shapes, ("dec_pos_embed_cls",)))]
    cells = _most(rows)
    return {
        **encoder,
        "class_token": any(name in shapes for name in _CLASS_TOKEN),
        "descriptor": descriptor,
        "pair_hidden": hidden,
        "image_size": PATCH * math.isqrt(cells) if cells else 322,
        "decoder_width": width,
        "decoder_depth": 1 + max(int(match[1]) for name in shapes if (match := _BLOCK.match(name))),
        "decoder_heads": max(1, width // HEAD_WIDTH),
        "decoder_mlp_ratio": mlp / width,
        "norm_memory": any(".norm_y." in name for name in shapes),
    }


def complete(state: "dict[str, Tensor]") -> "dict[str, Tensor]":
    """The same with what no image's description depends on, where a file was saved without it: as zeros.

    These are the mask tokens and the head that predicts patches; anything else that is missing is an error.
    """
    encoder, embed = state.get(f"{_ENCODER}cls_token"), state.get("decoder_embed.weight")
    patches = state.get(f"{_ENCODER}patch_embed.proj.weight")
    if encoder is None or embed is None or patches is None:
        return state  # fitting will name these
    width, pixels = embed.shape[0], patches[0].numel()
    unused = {
        "mask_token": (1, 1, width),
        f"{_ENCODER}mask_token": (1, encoder.shape[-1]),
        "prediction_head.weight": (pixels, width),
        "prediction_head.bias": (pixels,),
    }
    return {**{name: embed.new_zeros(shape) for name, shape in unused.items()}, **state}


def unfinished(configuration: "PairVPRConfig") -> str | None:
    """Why a network of stage one recognises no place; None for a finished one."""
    if configuration.class_token:
        return None
    return (
        "is of Pair-VPR's first stage, which learns to fill in masked images: its global descriptor and its judge of "
        "pairs are untrained. Train the second stage from it, or take a finished file such as pairvpr-vitB.pth"
    )


def _first(shapes: Shapes, names: Iterable[str]) -> list[int]:
    return [shapes[name][0] for name in names if shapes.get(name)]


def _last(shapes: Shapes, names: Iterable[str]) -> list[int]:
    return [shapes[name][-1] for name in names if shapes.get(name)]


def _most(sizes: Iterable[int]) -> int:
    """What most say, 0 where nobody says anything."""
    counts = Counter(sizes).most_common(1)
    return counts[0][0] if counts else 0
