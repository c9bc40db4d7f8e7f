"""Losses over (query, positive, negative) triplets: the hinge of the field's benchmarks, and SARE."""

import torch
from torch import Tensor
from torch.nn import functional as F


def triplet_hinge(vectors: Tensor, triplets: Tensor, margin: float = 0.1) -> Tensor:
    """Sum over triplets of max(0, d(q, p) - d(q, n) + margin), d(a, b) = ||a - b + 1e-6|| (not squared).

    Args:
        vectors: (B, D).
        triplets: (T, 3) rows of query, positive, negative.
        margin: how much farther a negative should be.
    """
    query, positive, negative = (vectors[triplets[:, role]] for role in range(3))
    near = F.pairwise_distance(query, positive, eps=1e-6)
    far = F.pairwise_distance(query, negative, eps=1e-6)
    return (near - far + margin).clamp(min=0).sum()


def sare_joint(query: Tensor, positive: Tensor, negatives: Tensor) -> Tensor:
    """-log of the positive's share among it and all negatives, in e^(-d^2) (Liu et al., ICCV 2019).

    Args:
        query, positive: (D,) vectors.
        negatives: (K, D).
    """
    distances = (torch.cat([positive[None], negatives]) - query).square().sum(1)
    return -F.log_softmax(-distances, 0)[0]


def sare_independent(query: Tensor, positive: Tensor, negatives: Tensor) -> Tensor:
    """The sum over the negatives of the same with one negative each; arguments as of `sare_joint`."""
    near = (positive - query).square().sum()
    far = (negatives - query).square().sum(1)
    return F.softplus(near - far).sum()
