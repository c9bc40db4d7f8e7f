"""Which parameters learn how fast in Pair-VPR's first stage: the nearer to the pixels, the slower (BEiT, MAE)."""

import re
from collections.abc import Iterable

from torch import nn

from vprkit.training.task import ParameterGroup

_BLOCK = re.compile(r"(?:^|\.)(dec_)?blocks\.(\d+)\.")


def layer_of(name: str, encoder_depth: int, decoder_depth: int) -> int:
    """The layer that a parameter counts as: 0 next to the pixels, n_enc + n_dec + 1 for the head.

    Anything that is not named below is of layer 0, as published: the class token of the decoder, the mask token, and
    the heads that the first stage does not use.
    """
    if block := _BLOCK.search(name):
        return int(block[2]) + 1 + (encoder_depth if block[1] else 0)
    if re.search(r"(?:^encoder\.(?:.*\.)?norm|^decoder_embed)\.", name):
        return encoder_depth
    if name.startswith("dec_norm."):
        return encoder_depth + decoder_depth
    return encoder_depth + decoder_depth + 1 if name.startswith("prediction_head.") else 0


def rate_factor(name: str, encoder_depth: int, decoder_depth: int, decay: float, patch_embed: float) -> float:
    """Factor on the learning rate of a parameter.

    Args:
        name: of the parameter, as in released files.
        encoder_depth, decoder_depth: blocks.
        decay: factor from one layer to the one below it.
        patch_embed: further factor of the patch embedding.
    """
    factor = decay ** (encoder_depth + decoder_depth + 1 - layer_of(name, encoder_depth, decoder_depth))
    return factor * patch_embed if ".patch_embed." in name else factor


def decays(name: str, parameter: nn.Parameter) -> bool:
    """Whether weight decay pulls at a parameter: not at biases, norms, LayerScale and anything of one dimension."""
    return not (name.endswith(".bias") or "norm" in name or "gamma" in name or parameter.ndim == 1)


def layer_groups(
    named: Iterable[tuple[str, nn.Parameter]],
    encoder_depth: int,
    decoder_depth: int,
    decay: float,
    patch_embed: float,
) -> list[ParameterGroup]:
    """Parameters with a gradient, in groups of one rate and one weight decay, the fastest first (whose rate is logged).

    Args:
        named: names as in released files, and the parameters.
        encoder_depth, decoder_depth, decay, patch_embed: as of `rate_factor`.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in named:
        if parameter.requires_grad:
            factor = rate_factor(name, encoder_depth, decoder_depth, decay, patch_embed)
            groups.setdefault((factor, decays(name, parameter)), []).append(parameter)
    return [
        ParameterGroup(members, factor, None if decaying else 0.0)
        for (factor, decaying), members in sorted(groups.items(), key=lambda item: item[0], reverse=True)
    ]
