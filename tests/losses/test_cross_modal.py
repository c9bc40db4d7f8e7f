"""Losses between images and texts against loops."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vprkit.losses.cross_modal import CrossModalMultiSimilarity, SymmetricContrast


def pairs(count: int = 12, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images, texts = torch.randn(2, count, 6, generator=generator)
    return images, texts, torch.arange(count) // 3


def loop(anchors: Tensor, others: Tensor, labels: Tensor, alpha: float, beta: float, base: float, eps: float) -> float:
    similar = (F.normalize(anchors, dim=1) @ F.normalize(others, dim=1).T).tolist()
    total, places = 0.0, labels.tolist()
    for row, own in enumerate(places):
        same = [similar[row][column] for column, place in enumerate(places) if place == own]
        apart = [similar[row][column] for column, place in enumerate(places) if place != own]
        far = [s for s in same if s - eps < max(apart)]
        near = [s for s in apart if s + eps > min(same)]
        total += math.log(1 + sum(math.exp(-alpha * (s - base)) for s in far)) / alpha
        total += math.log(1 + sum(math.exp(beta * (s - base)) for s in near)) / beta
    return total / len(places)


@pytest.mark.parametrize(("beta", "base"), [(40.0, 0.5), (40.0, 0.0), (10.0, 0.3)])
def test_multi_similarity_of_images_with_texts(beta: float, base: float) -> None:
    images, texts, labels = pairs()
    one = loop(images, texts, labels, 2.0, beta, base, 0.1)
    other = loop(texts, images, labels, 2.0, beta, base, 0.1)
    found = CrossModalMultiSimilarity(beta=beta, base=base)(images, texts, labels)
    assert float(found) == pytest.approx(one, rel=1e-5)
    both = CrossModalMultiSimilarity(beta=beta, base=base, both=True)(images, texts, labels)
    assert float(both) == pytest.approx((one + other) / 2, rel=1e-5) and abs(one - other) > 1e-4


def test_an_image_and_its_own_text_are_a_positive_pair() -> None:
    images, texts, _ = pairs()
    apart = torch.arange(len(images))
    mined = CrossModalMultiSimilarity().miner(images, apart, texts, apart)
    assert len(mined[0]) and bool((mined[0] == mined[1]).all())
    alike = torch.zeros(len(images), dtype=torch.long)
    assert float(CrossModalMultiSimilarity()(images, texts, alike)) == 0  # no negative, so nothing is mined


def test_contrast_is_the_mean_of_both_cross_entropies() -> None:
    images, texts, _ = pairs(5)
    logits = (images @ texts.T / 0.07).tolist()
    rows = [math.log(sum(math.exp(v - row[i]) for v in row)) for i, row in enumerate(logits)]
    columns = [math.log(sum(math.exp(logits[j][i] - logits[i][i]) for j in range(5))) for i in range(5)]
    assert SymmetricContrast()(images, texts).item() == pytest.approx((sum(rows) + sum(columns)) / 10, rel=1e-4)


def test_contrast_may_take_the_texts_of_a_place_for_right() -> None:
    images, texts, labels = pairs()
    aware, blind = SymmetricContrast(places=True), SymmetricContrast()
    apart = torch.arange(len(images))
    torch.testing.assert_close(aware(images, texts, apart), blind(images, texts, apart))
    logits = images @ texts.T / 0.07
    same = (labels[:, None] == labels[None]).float()
    rows = -(logits.log_softmax(1) * same).sum(1) / same.sum(1)
    columns = -(logits.T.log_softmax(1) * same).sum(1) / same.sum(1)
    torch.testing.assert_close(aware(images, texts, labels), (rows.mean() + columns.mean()) / 2)


@pytest.mark.parametrize(("start", "kept"), [(0.001, 0.01), (0.07, 0.07), (3.0, 0.5)])
def test_the_temperature_is_clamped_in_place_and_learns(start: float, kept: float) -> None:
    images, texts, labels = pairs()
    loss = SymmetricContrast(start)
    loss(images, texts, labels).backward()
    assert float(loss.temperature.detach()) == pytest.approx(kept)
    assert loss.temperature.grad is not None and float(loss.temperature.grad) != 0
