"""Local optimal transport between image and text tokens."""

import torch
from torch.nn import functional as F

from vprkit.losses.local_ot import LocalOTConfig, local_ot


def test_local_transport_weights_sum_to_one() -> None:
    torch.manual_seed(0)
    mask = torch.ones(2, 6, dtype=torch.long)
    mask[0, 4:] = 0
    found = local_ot(torch.randn(2, 9, 4), torch.randn(2, 6, 4), mask)
    assert found.loss.dim() == 0 and found.loss.isfinite()
    torch.testing.assert_close(found.vision_weights.sum(dim=1), torch.ones(2))
    assert found.text_weights[0, 3:].max() < 1e-6


def test_the_cost_is_one_less_the_cosine() -> None:
    """One token each: the plan is 2 x 2, and the loss its product with the costs."""
    torch.manual_seed(0)
    vision, text = torch.randn(1, 2, 4), torch.randn(1, 2, 4)
    config = LocalOTConfig(steps=200)
    found = local_ot(vision, text, torch.ones(1, 2), config)
    cosine = float(F.cosine_similarity(vision[0, 1], text[0, 1], dim=0))
    # sums of rows and columns are all 1: the plan is [[a, 1 - a], [1 - a, a]] and Sinkhorn keeps the cross ratio
    ratio = torch.tensor((cosine + config.gamma - 2 * config.gamma) / config.temperature).exp().sqrt()
    a = float(ratio / (1 + ratio))
    expected = a * (1 - cosine) + (2 - a) * (1 - config.gamma)
    torch.testing.assert_close(float(found.loss), expected, rtol=1e-3, atol=1e-4)


def test_gradients_reach_both_sides() -> None:
    torch.manual_seed(0)
    vision, text = torch.randn(2, 5, 4, requires_grad=True), torch.randn(2, 4, 4, requires_grad=True)
    local_ot(vision, text, torch.ones(2, 4)).loss.backward()
    for tokens in (vision, text):
        assert tokens.grad is not None and tokens.grad.isfinite().all()
        assert not tokens.grad[:, 0].any() and tokens.grad[:, 1:].any()
