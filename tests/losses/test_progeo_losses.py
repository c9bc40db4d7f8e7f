"""ProGEO's losses against loops, and what the reference cases leave open."""

import math

import pytest
import torch

from vprkit.errors import ConfigError
from vprkit.losses.batch_triplet import batch_triplet, euclidean, softmax_weighted, weighted
from vprkit.losses.cosface import CosFace


def features(rows: int, seed: int, scale: float = 1.0) -> torch.Tensor:
    return torch.randn(rows, 5, generator=torch.Generator().manual_seed(seed)) * scale


def test_cosface_logits_equal_loops() -> None:
    head, x, labels = CosFace(5, 3, scale=20.0, margin=0.3), features(4, 0), torch.tensor([2, 0, 0, 1])
    logits = head(x, labels)
    for i in range(4):
        for j in range(3):
            cosine = torch.nn.functional.cosine_similarity(x[i], head.weight[j], dim=0)
            assert logits[i, j].item() == pytest.approx(20 * (cosine.item() - 0.3 * (int(labels[i]) == j)), abs=1e-4)


def test_cosface_refuses_no_classes() -> None:
    with pytest.raises(ConfigError, match="classes=0"):
        CosFace(5, 0)


def test_published_weights_lose_far_negatives_and_softmax_weights_keep_them() -> None:
    """The added 1e-6 is not scaled, so at distances of a raw ViT the published mean of the negatives falls to 0."""
    vectors, labels = features(6, 3, scale=30.0), torch.arange(6)
    same = labels[:, None] == labels[None]
    masks = same.float(), (~same).float()
    distances = euclidean(vectors)
    nearest = distances.masked_fill(same, math.inf).min(1).values
    assert weighted(distances, *masks)[1].min() < 0.1 * nearest.min()
    assert (softmax_weighted(distances, *masks)[1] >= nearest - 1e-3).all()


def test_both_weightings_agree_at_small_distances() -> None:
    vectors, labels = features(6, 4, scale=0.3), torch.tensor([0, 0, 1, 1, 2, 2])
    published = batch_triplet(vectors, labels)
    assert batch_triplet(vectors, labels, mining=softmax_weighted).item() == pytest.approx(published.item(), rel=1e-4)


def test_softmax_weights_of_a_row_without_negatives_are_finite() -> None:
    assert torch.isfinite(batch_triplet(features(3, 5), torch.zeros(3), mining=softmax_weighted))
