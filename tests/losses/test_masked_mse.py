"""Reconstruction losses against loops."""

import math

import pytest
import torch

from vprkit.losses.masked_mse import masked_mse, masked_mse_by_group, standardised


def problem():
    generator = torch.Generator().manual_seed(3)
    prediction, target = (torch.randn(4, 5, 6, generator=generator, dtype=torch.float64) for _ in range(2))
    return prediction, target, torch.rand(4, 5, generator=generator) < 0.5


def test_the_mean_over_masked_patches_equals_a_loop():
    prediction, target, mask = problem()
    errors = [
        sum((float(p) - float(t)) ** 2 for p, t in zip(prediction[i, j], target[i, j], strict=True)) / 6
        for i in range(4) for j in range(5) if mask[i, j]
    ]  # fmt: skip
    assert masked_mse(prediction, target, mask).item() == pytest.approx(sum(errors) / len(errors))
    everywhere = masked_mse(prediction, target)
    assert everywhere.item() == pytest.approx((prediction - target).square().mean().item())


def test_groups_are_the_same_loss_of_their_images_alone():
    prediction, target, mask = problem()
    groups = torch.tensor([2, 0, 2, 0])
    found = masked_mse_by_group(prediction, target, mask, groups, 3)
    for group in (0, 2):
        rows = groups == group
        assert found[group].item() == pytest.approx(masked_mse(prediction[rows], target[rows], mask[rows]).item())
    assert math.isnan(found[1])


def test_patches_are_standardised_one_by_one_and_a_constant_one_stays_finite():
    _, target, _ = problem()
    target[0, 0] = 7.0
    found = standardised(target)
    values = [float(value) for value in target[1, 2]]
    mean = sum(values) / 6
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / 5 + 1e-6)
    assert found[1, 2].tolist() == pytest.approx([(value - mean) / deviation for value in values])
    assert (found[0, 0] == 0).all()
