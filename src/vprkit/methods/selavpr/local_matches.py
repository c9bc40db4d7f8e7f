"""SelaVPR's local loss: matched local descriptors of a place should be more alike than those of two places.

Lu et al., ICLR 2024, section 3.3. Which cells match is found without gradient; the similarity of what matched has one.
"""

import torch
from torch import Tensor

from vprkit.rerank.mutual import matched_similarity


def match_similarity(query: Tensor, other: Tensor) -> Tensor:
    """Mean inner product over mutual nearest neighbours; with exactly one, over all cells of the same place.

    Args:
        query: (B, L, C) local descriptors.
        other: (B, L, C), item b is compared with item b of `query`.

    Returns:
        (B,), with gradient to both.
    """
    return torch.stack([_pair(one, two) for one, two in zip(query, other, strict=True)])


def local_hinge(local: Tensor, triplets: Tensor) -> Tensor:
    """Sum over triplets of max(0, sim(q, n) - sim(q, p)).

    Args:
        local: (B, L, C) local descriptors.
        triplets: (T, 3) rows of query, positive, negative; pairs that come several times are compared once.
    """
    pairs = torch.cat([triplets[:, [0, 1]], triplets[:, [0, 2]]])
    unique, places = torch.unique(pairs, dim=0, return_inverse=True)
    similar = match_similarity(local[unique[:, 0]], local[unique[:, 1]])
    positive, negative = similar[places].chunk(2)
    return (negative - positive).clamp(min=0).sum()


def _pair(query: Tensor, other: Tensor) -> Tensor:
    similar = matched_similarity(query, other)
    return (query * other).sum(1).mean() if len(similar) == 1 else similar.mean()
