"""How described pairs are compared: every mode is one inner product (LaVPR, arXiv 2602.03253, section 3.1)."""

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from vprkit.errors import ConfigError
from vprkit.features import Features
from vprkit.method import Role

Mode = Literal["fused", "image", "text", "concat", "each", "across", "image_then_text", "text_then_image"]


def weighted(image: Tensor, text: Tensor, weight: Tensor, role: Role) -> Tensor:
    """Vectors whose inner products are (a_q + a_d) / 2 <v_q, v_d> + (b_q + b_d) / 2 <t_q, t_d>.

    Args:
        image, text: (B, Dv) and (B, Dt) unit vectors.
        weight: (B, 2) shares a of the image and b of the text.
        role: queries and database records get different vectors.

    Returns:
        (B, 2 Dv + 2 Dt).
    """
    a, b = weight[:, :1], weight[:, 1:]
    if role == "query":
        return torch.cat([a * image, image, b * text, text], 1) / 2
    return torch.cat([image, a * image, text, b * text], 1)


def concatenated(image: Tensor, text: Tensor) -> Tensor:
    """(B, Dv + Dt) unit vectors; for unit parts the inner product is the mean of both cosines."""
    return unit(torch.cat([image, text], 1))


def constant(image: Tensor, text: Tensor, alpha: float, role: Role) -> Tensor:
    """(B, Dv + Dt) vectors whose inner products are alpha <v_q, v_d> + (1 - alpha) <t_q, t_d>."""
    shares = (alpha, 1 - alpha) if role == "query" else (1.0, 1.0)
    return torch.cat([shares[0] * image, shares[1] * text], 1)


def unit(vectors: Tensor) -> Tensor:
    """Unit vectors; zeros stay zeros."""
    return F.normalize(vectors, dim=1)


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
    "concat": lambda image, text, weight, alpha, role: concatenated(image, text),
    "each": lambda image, text, weight, alpha, role: constant(image, text, alpha, role),
    "across": lambda image, text, weight, alpha, role: text if role == "query" else image,
    "image_then_text": lambda image, text, weight, alpha, role: image,
    "text_then_image": lambda image, text, weight, alpha, role: text,
}
