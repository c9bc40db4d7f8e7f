import colorsys

import pytest
import torch

from vprkit.training.colour_jitter import draw_factors, draw_order, jitter

STRENGTHS = (0.7, 1.4, 0.2, 0.5)


@pytest.fixture
def batch():
    return torch.rand(5, 3, 6, 7, generator=torch.Generator().manual_seed(1))


def clamp(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def grey(pixel) -> float:
    return 0.2989 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]


def adjusted(pixels, number, factor):
    """One adjustment of a list of RGB pixels, as torchvision defines it."""
    if number == 0:
        return [[clamp(factor * value) for value in pixel] for pixel in pixels]
    if number == 1:
        mean = sum(grey(pixel) for pixel in pixels) / len(pixels)
        return [[clamp(factor * value + (1 - factor) * mean) for value in pixel] for pixel in pixels]
    if number == 2:
        return [[clamp(factor * value + (1 - factor) * grey(pixel)) for value in pixel] for pixel in pixels]
    hsv = [colorsys.rgb_to_hsv(*pixel) for pixel in pixels]
    return [list(colorsys.hsv_to_rgb((h + factor) % 1, s, v)) for h, s, v in hsv]


def test_every_image_follows_its_factors_in_its_order(batch):
    torch.manual_seed(0)
    before, factors, order = batch.clone(), draw_factors(5, STRENGTHS), draw_order(5, True)
    assert len({tuple(row) for row in order.tolist()}) > 1
    found = jitter(batch, factors, order)
    for image, image_factors, image_order, result in zip(batch, factors, order, found, strict=True):
        pixels = image.flatten(1).T.tolist()
        for number in image_order.tolist():
            pixels = adjusted(pixels, number, float(image_factors[number]))
        assert torch.allclose(result.flatten(1).T, torch.tensor(pixels), atol=1e-5)
    assert torch.equal(batch, before)


def test_only_what_is_active_happens(batch):
    found = jitter(batch, torch.full((5, 4), 0.5), draw_order(5, False), (True, False, False, False))
    assert torch.allclose(found, batch / 2)  # multiplied: half as bright, not half of the range darker


def test_factors_fill_their_ranges():
    torch.manual_seed(0)
    factors = draw_factors(4000, STRENGTHS)
    for column, (low, high) in enumerate([(0.3, 1.7), (0.0, 2.4), (0.8, 1.2), (-0.5, 0.5)]):
        drawn = factors[:, column]
        assert low <= drawn.min() < low + 0.01 * (high - low) and high - 0.01 * (high - low) < drawn.max() <= high
        assert float(drawn.mean()) == pytest.approx((low + high) / 2, abs=0.03 * (high - low))


def test_orders_are_permutations_drawn_evenly():
    torch.manual_seed(0)
    orders = draw_order(4800, True)
    assert torch.equal(orders.sort(1).values, torch.arange(4).repeat(4800, 1))
    kinds, counts = orders.unique(dim=0, return_counts=True)
    assert len(kinds) == 24 and counts.min() > 140 and counts.max() < 260  # 200 each, sigma 14
    assert draw_order(2, False).tolist() == [[0, 1, 2, 3]] * 2
