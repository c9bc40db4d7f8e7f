"""How described pairs are compared: every mode is one inner product (LaVPR, arXiv 2602.03253, section 3.1).

A query without a text (its vector is zeros) asks by its photo alone: wherever photos count, its score is the cosine of
the photos, whatever a database record says besides. A database record without a text agrees with no sentence: that
cosine is 0, and its photo counts as much as the weights say.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor

from vprkit.aggregators.unit import unit
from vprkit.errors import ConfigError
from vprkit.features import Features
from vprkit.method import Role

Mode = Literal["fused", "image", "text", "concat", "each", "across", "image_then_text", "text_then_image"]


def weighted(image: Tensor, text: Tensor, weight: Tensor, role: Role) -> Tensor:
    """Vectors whose inner products are (a_q + a_d) / 2 <v_q, v_d> + (b_q + b_d) / 2 <t_q, t_d>.

    Those of a query without a text are <v_q, v_d>: the formula would let every record's own share decide how much of it
    counts, and so the order of photos.

    Args:
        image, text: (B, Dv) and (B, Dt) unit vectors; zeros where there is no text.
        weight: (B, 2) shares a of the image and b of the text.
        role: queries and database records get different vectors.

    Returns:
        (B, 2 Dv + 2 Dt).
    """
    a, b = weight[:, :1], weight[:, 1:]
    if role == "database":
        return torch.cat([image, a * image, text, b * text], 1)
    both = torch.cat([a * image, image, b * text, text], 1) / 2
    alone = torch.cat([image, torch.zeros_like(image), text, text], 1)
    return torch.where(_silent(text), alone, both)


def constant(image: Tensor, text: Tensor, alpha: float, role: Role) -> Tensor:
    """Vectors whose inner products are alpha <v_q, v_d> + (1 - alpha) <t_q, t_d>; <v_q, v_d> of a query without a text.

    Args:
        image, text: (B, Dv) and (B, Dt) unit vectors; zeros where there is no text.
        alpha: share of the image.
        role: of the records.

    Returns:
        (B, Dv + Dt).
    """
    if role == "database":
        return torch.cat([image, text], 1)
    return torch.cat([torch.where(_silent(text), image, alpha * image), (1 - alpha) * text], 1)


def _silent(text: Tensor) -> Tensor:
    """(B, 1) whether there is no text."""
    return (text == 0).all(1, keepdim=True)


def index_vectors(features: Features, mode: Mode, alpha: float, role: Role) -> Tensor:
    """The (B, E) vectors that are searched in a mode.

    Args:
        features: image vectors in `global_`, text vectors and weights beside them; joined or single ones in `global_`.
        mode: how they are compared.
        alpha: share of the image in mode `each`.
        role: of the records.

    Raises:
        ConfigError: the features lack what the mode compares.
    """
    if features.text is None:
        return unit(features.global_)
    return _MODES[mode](unit(features.global_), unit(features.text), features.weight, alpha, role)


def _fused(image: Tensor, text: Tensor, weight: Tensor | None, alpha: float, role: Role) -> Tensor:
    if weight is None:
        raise ConfigError("these features have no weights, so there is nothing to fuse by; give a head's weights, or "
                          "mode=concat or mode=each")  # fmt: skip
    return weighted(image, text, weight, role)


_Compare = Callable[[Tensor, Tensor, Tensor | None, float, Role], Tensor]
_MODES: Mapping[Mode, _Compare] = {
    "fused": _fused,
    "image": lambda image, text, weight, alpha, role: image,
    "text": lambda image, text, weight, alpha, role: text,
    "concat": lambda image, text, weight, alpha, role: constant(image, text, 0.5, role),
    "each": lambda image, text, weight, alpha, role: constant(image, text, alpha, role),
    "across": lambda image, text, weight, alpha, role: text if role == "query" else image,
    "image_then_text": lambda image, text, weight, alpha, role: image,
    "text_then_image": lambda image, text, weight, alpha, role: text,
}
