"""Triplets mined inside a batch of labelled vectors: person re-identification's loss as ProGEO's third term has it.

Gradients flow through distances, mining weights and the maximum alike; nothing is detached.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Distance = Callable[[Tensor], Tensor]
Mining = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]

FALLBACK_MARGIN = 0.3
"""Margin of the hinge that takes over where the soft margin overflows."""

_FAR = 1e9


def euclidean(vectors: Tensor) -> Tensor:
    """(B, D) -> (B, B) distances, squared ones clamped to 1e-12 or more; the diagonal is rounding noise."""
    squares = vectors.square().sum(1)
    return (squares[:, None] + squares[None] - 2 * vectors @ vectors.T).clamp(min=1e-12).sqrt()


def cosine(vectors: Tensor) -> Tensor:
    """(B, D) -> (B, B) of 2 - 2 cos."""
    unit = F.normalize(vectors, dim=1, eps=1e-12)
    return 2 - 2 * unit @ unit.T


def hardest(distances: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
    """(B,) distance to the farthest positive and to the nearest negative of every row."""
    far = (distances * positive).max(dim=1).values
    near = (distances * negative + _FAR * positive).min(dim=1).values
    return far, near


def weighted(distances: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
    """(B,) means over positives and over negatives, weighing hard ones more, as published.

    The published weights divide by their sum plus an unscaled 1e-6, so that for distances above about 10 (ViTs without
    normalisation) the negatives' weights no longer sum to one and the mean falls towards 0; see `softmax_weighted`.
    """
    return _published_mean(distances, positive, 1.0), _published_mean(distances, negative, -1.0)


def softmax_weighted(distances: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
    """As `weighted`, with weights that always sum to one (0 where a row has no such partner)."""
    return _softmax_mean(distances, positive, 1.0), _softmax_mean(distances, negative, -1.0)


def batch_triplet(
    vectors: Tensor,
    labels: Tensor,
    *,
    distance: Distance = euclidean,
    mining: Mining = weighted,
    margin: float = 0.0,
) -> Tensor:
    """Mean over the batch of how much farther the mined positive is than the mined negative.

    Args:
        vectors: (B, D).
        labels: (B,); a vector counts as its own positive.
        distance: between all vectors.
        mining: what of it counts.
        margin: of a hinge; 0 is the soft margin log(1 + exp(d_ap - d_an)), a hinge of 0.3 where that overflows.

    Returns:
        A scalar.
    """
    same = labels[:, None] == labels[None]
    positive, negative = same.to(vectors), (~same).to(vectors)
    far, near = mining(distance(vectors), positive, negative)
    if margin > 0:
        return (far - near + margin).clamp(min=0).mean()
    soft = F.soft_margin_loss(near - far, torch.ones_like(near))
    return (far - near + FALLBACK_MARGIN).clamp(min=0).mean() if bool(soft.isinf()) else soft


def _published_mean(distances: Tensor, mask: Tensor, sign: float) -> Tensor:
    scores = sign * distances * mask
    shares = (scores - (scores * mask).max(dim=1, keepdim=True).values).exp() * mask
    weights = shares / (shares.sum(1, keepdim=True) + 1e-6)
    return (weights * distances * mask).sum(1)


def _softmax_mean(distances: Tensor, mask: Tensor, sign: float) -> Tensor:
    scores = (sign * distances).masked_fill(mask == 0, torch.finfo(distances.dtype).min)
    return (scores.softmax(1) * distances * mask).sum(1)
