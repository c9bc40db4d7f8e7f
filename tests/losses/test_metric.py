"""Losses and miners of our own against loops over pairs, and against pytorch-metric-learning."""

import math

import pytest
import torch
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import MultiSimilarityLoss as TheirLoss
from pytorch_metric_learning.losses import NCALoss as TheirNCA
from pytorch_metric_learning.miners import MultiSimilarityMiner as TheirMiner
from pytorch_metric_learning.miners import TripletMarginMiner as TheirTriplets

from vprkit.losses.miners import BatchHardMiner, HardTripletMiner, MultiSimilarityMiner
from vprkit.losses.multi_similarity import MultiSimilarityLoss
from vprkit.losses.nca import NCALoss
from vprkit.losses.pairs import all_pairs, as_pairs

LABELS = torch.tensor([0, 0, 1, 1, 2])
OTHERS = torch.tensor([0, 1, 1, 3, 0, 2, 4])


def vectors(count, seed=0):
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))


def as_set(lists):
    return set(zip(*(part.tolist() for part in lists), strict=True))


def cosine(one, other):
    return float(torch.nn.functional.cosine_similarity(one, other, dim=0))


def by_loops(x, labels, references, theirs, weights, alpha, beta, base):
    """The formula, anchor by anchor; without references nobody meets himself."""
    total = 0.0
    for i, (vector, label) in enumerate(zip(x, labels, strict=True)):
        near = far = 0.0
        for j, (other, place) in enumerate(zip(references, theirs, strict=True)):
            if references is x and i == j:
                continue
            if label == place:
                near += math.exp(-alpha * (cosine(vector, other) - base))
            else:
                far += float(weights[j]) * math.exp(beta * (cosine(vector, other) - base))
        total += math.log(1 + near) / alpha + math.log(1 + far) / beta
    return total / len(x)


@pytest.mark.parametrize("numbers", [(2.0, 50.0, 0.5), (1.0, 5.0, 0.0)])
def test_multi_similarity_is_its_formula(numbers):
    x, references = vectors(5), vectors(7, 1)
    loss = MultiSimilarityLoss(*numbers)
    one = torch.ones(7)
    assert float(loss(x, LABELS)) == pytest.approx(by_loops(x, LABELS, x, LABELS, one, *numbers), rel=1e-4)
    found = float(loss(x, LABELS, None, references, OTHERS))
    assert found == pytest.approx(by_loops(x, LABELS, references, OTHERS, one, *numbers), rel=1e-4)
    weights = torch.tensor([1.0, 0.5, 0.2, 0.1, 1.0, 0.01, 0.3])
    found = float(loss(x, LABELS, None, references, OTHERS, weights.log()))
    assert found == pytest.approx(by_loops(x, LABELS, references, OTHERS, weights, *numbers), rel=1e-4)


def test_weights_never_overflow():
    """exp(50 * 0.5) alone is beyond half precision; a weight of e^-200 must not make 0 times infinity of it."""
    x = vectors(4).half().requires_grad_()
    labels, log_weights = torch.tensor([0, 0, 1, 1]), torch.tensor([0.0, -1.0, -50.0, -200.0]).half()
    value = MultiSimilarityLoss(base=-1.0)(x, labels, None, x.detach(), labels, log_weights)
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(x.grad).all()


@pytest.mark.parametrize("seed", range(4))
def test_the_same_as_pytorch_metric_learning(seed):
    x, references = vectors(5, seed), vectors(7, seed + 10)
    labels, theirs = LABELS, OTHERS
    for epsilon in (0.1, 0.5):
        ours, other = MultiSimilarityMiner(epsilon), TheirMiner(epsilon, distance=CosineSimilarity())
        for among in ((), (references, theirs)):
            mine, official = ours(x, labels, *among), other(x, labels, *among)
            assert as_set(mine[:2]) == as_set(official[:2]) and as_set(mine[2:]) == as_set(official[2:])
            loss = MultiSimilarityLoss()(x, labels, mine, *among)
            torch.testing.assert_close(loss, TheirLoss()(x, labels, official, *among))
    for among in ((), (references, theirs)):
        for margin in (0.1, 0.0, -0.2):
            other = TheirTriplets(margin, "hard", distance=CosineSimilarity())
            assert as_set(HardTripletMiner(margin)(x, labels, *among)) == as_set(other(x, labels, *among))
        chosen = all_pairs(labels, *among[1:])
        for indices in (None, chosen) if among else (None,):
            found = NCALoss()(x, labels, indices, *among)
            torch.testing.assert_close(found, TheirNCA()(x, labels, indices, *among), rtol=1e-4, atol=1e-6)


def test_nca_without_positives_is_zero_and_has_a_gradient():
    x = vectors(3).requires_grad_()
    value = NCALoss()(x, torch.arange(3))
    value.backward()
    assert float(value.detach()) == 0 and not x.grad.any()


def test_nca_leaves_out_anchors_without_positives():
    x = vectors(5)
    torch.testing.assert_close(NCALoss()(x, LABELS), TheirNCA()(x, LABELS), rtol=1e-4, atol=1e-6)


def test_one_pair_of_each_kind_is_no_loss():
    x = vectors(2).requires_grad_()
    one = torch.tensor([0])
    value = MultiSimilarityLoss()(x, torch.tensor([0, 1]), (one, one, one, one + 1))
    value.backward()
    assert float(value.detach()) == 0 and not x.grad.any()


def test_nothing_is_mined_where_a_kind_is_missing():
    for labels in (torch.zeros(4, dtype=torch.int64), torch.arange(4)):
        assert not any(len(part) for part in MultiSimilarityMiner()(vectors(4), labels))
        assert not any(len(part) for part in HardTripletMiner()(vectors(4), labels))


def test_triplets_become_pairs():
    lists = tuple(torch.tensor(values) for values in ([0, 1], [1, 0], [2, 3]))
    assert [part.tolist() for part in as_pairs(lists, LABELS)] == [[0, 1], [1, 0], [0, 1], [2, 3]]


def test_batch_hard_triplets_equal_a_loop():
    generator = torch.Generator().manual_seed(2)
    vectors, labels = torch.randn(14, 5, generator=generator), torch.tensor([0, 0, 0, 1, 1, 2, 3, 3, 3, 3, 4, 4, 5, 5])
    unit = torch.nn.functional.normalize(vectors, dim=1)
    expected = []
    for anchor in range(14):
        distances = (unit - unit[anchor]).norm(dim=1)
        positives = [i for i in range(14) if labels[i] == labels[anchor] and i != anchor]
        negatives = [i for i in range(14) if labels[i] != labels[anchor]]
        if positives:
            expected.append(
                [anchor, max(positives, key=lambda i: distances[i]), min(negatives, key=lambda i: distances[i])]
            )
    assert torch.stack(BatchHardMiner()(vectors, labels), 1).tolist() == expected and len(expected) == 13
    assert all(len(part) == 0 for part in BatchHardMiner()(vectors, torch.zeros(14)))
