"""Optimal transport between the tokens of an image and of a text (LaVPR's sibling experiments, specification 11.9)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vprkit.aggregators.sinkhorn import log_sinkhorn
from vprkit.config import option

_MASKED = -1e6


@dataclass(frozen=True)
class LocalOTConfig:
    """Options of the local transport loss."""

    temperature: float = option(0.1, "divides scores before the transport")
    steps: int = option(5, "Sinkhorn steps")
    gamma: float = option(0.1, "score of the dustbins: a token matches none where its best cosine is below")
    threshold: float = option(0.005, "transported mass below it does not count in the weights")


@dataclass(frozen=True)
class LocalOT:
    """Loss, a scalar, and how much of the other modality each token found: (B, n_v) and (B, n_t), rows sum to 1.

    The weights of one side use the other side of the same pair: they help training, they are not valid in retrieval.
    """

    loss: Tensor
    vision_weights: Tensor
    text_weights: Tensor


def local_ot(vision: Tensor, text: Tensor, text_mask: Tensor, config: LocalOTConfig | None = None) -> LocalOT:
    """Transport image tokens to text tokens, dustbins on both sides, and charge 1 - cosine.

    Args:
        vision: (B, 1 + n_v, C) tokens; token 0 is left out.
        text: (B, 1 + n_t, C) tokens; token 0 is left out.
        text_mask: (B, 1 + n_t), 0 where a text token is padding.
        config: temperatures and limits.
    """
    chosen = config or LocalOTConfig()
    mask = text_mask[:, 1:].to(vision.dtype)
    cosines = F.normalize(vision[:, 1:], dim=-1) @ F.normalize(text[:, 1:], dim=-1).transpose(1, 2)
    masked = cosines.masked_fill(mask.unsqueeze(1) == 0, _MASKED)
    count, sides = cosines.shape[1], mask.sum(dim=1, keepdim=True)
    one = torch.ones_like(sides)
    rows = torch.cat([torch.full_like(cosines[:, :, 0], 1 / count), one], dim=1)
    columns = torch.cat([mask / sides, one], dim=1)
    scores = _bordered(masked, chosen.gamma) / chosen.temperature
    plan = log_sinkhorn(scores, (rows + 1e-9).log(), (columns + 1e-9).log(), chosen.steps).exp()
    loss = (plan * (1 - _bordered(cosines, chosen.gamma))).sum(dim=(1, 2)).mean()
    inner = F.relu(plan[:, :-1, :-1] - chosen.threshold)
    return LocalOT(loss, _shares(inner.sum(dim=2)), _shares(inner.sum(dim=1)))


def _bordered(scores: Tensor, value: float) -> Tensor:
    """One more row and column, filled with the dustbins' score."""
    return F.pad(scores, (0, 1, 0, 1), value=value)


def _shares(mass: Tensor) -> Tensor:
    mass = mass + 1e-9
    return mass / mass.sum(dim=1, keepdim=True)
