"""Aggregators against plain loops, and what all promise: unit vectors, batch independence, gradients, errors."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vprkit.aggregators.boq import BoQ
from vprkit.aggregators.convap import ConvAP
from vprkit.aggregators.cosplace import CosPlace, cosplace_layers
from vprkit.aggregators.megaloc import MegaLocHead
from vprkit.aggregators.mixvpr import MixVPR
from vprkit.aggregators.netvlad import NetVLAD
from vprkit.aggregators.salad import Salad
from vprkit.aggregators.sinkhorn import log_sinkhorn
from vprkit.aggregators.token_salad import CosineTokenSalad, TokenSalad
from vprkit.errors import ConfigError

CHANNELS = 12


def salad(**options: int) -> Salad:
    return Salad(CHANNELS, **{"num_clusters": 3, "cluster_dim": 4, "token_dim": 5, "mlp_dim": 8, **options})


class WithToken(nn.Module):
    """Gives the mean over positions as the token."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Tensor) -> Tensor:
        return self.head(features, features.mean(dim=(2, 3)))


class OfTokens(nn.Module):
    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Tensor) -> Tensor:
        return self.head(features.flatten(2).transpose(1, 2))


AGGREGATORS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "boq": (lambda: BoQ(CHANNELS, 64, num_queries=3, num_layers=2, row_dim=2), 128),
    "convap": (lambda: ConvAP(CHANNELS, 5, 2, 3), 30),
    "cosplace": (lambda: CosPlace(CHANNELS, 7), 7),
    "megaloc": (lambda: WithToken(MegaLocHead(9, salad())), 9),
    "mixvpr": (lambda: MixVPR(CHANNELS, 4, 5, out_channels=6, out_rows=2, mix_depth=2), 12),
    "netvlad": (lambda: NetVLAD(CHANNELS, 3), 36),
    "salad": (lambda: WithToken(salad()), 17),
    "token_salad": (lambda: OfTokens(TokenSalad(CHANNELS, 3, 4, 5)), 17),
    "cosine_token_salad": (lambda: OfTokens(CosineTokenSalad(CHANNELS, 3, 4, 5)), 17),
}


@pytest.fixture(params=AGGREGATORS)
def aggregator(request: pytest.FixtureRequest) -> tuple[nn.Module, int]:
    torch.manual_seed(0)
    make, dim = AGGREGATORS[request.param]
    return make().eval(), dim


def maps(batch: int = 3) -> Tensor:
    return torch.randn(batch, CHANNELS, 4, 5, generator=torch.Generator().manual_seed(1))


def test_unit_vectors_that_do_not_depend_on_the_batch(aggregator: tuple[nn.Module, int]) -> None:
    module, dim = aggregator
    with torch.inference_mode():
        vectors = module(maps())
        assert vectors.shape == (3, dim)
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))
        torch.testing.assert_close(module(maps()[1:2]), vectors[1:2], rtol=1e-4, atol=1e-5)


def test_every_parameter_learns_and_zeros_stay_finite(aggregator: tuple[nn.Module, int]) -> None:
    module, dim = aggregator
    (module(maps()) * torch.randn(3, dim)).sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    assert module(torch.zeros(1, CHANNELS, 4, 5)).isfinite().all()


def test_bf16_keeps_close(aggregator: tuple[nn.Module, int]) -> None:
    module, _ = aggregator
    with torch.inference_mode():
        exact = module(maps())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = module(maps())
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded.norm(dim=1), torch.ones(3))
    assert F.cosine_similarity(exact, rounded).min() > 0.99


def test_netvlad_by_loops() -> None:
    torch.manual_seed(0)
    module, features = NetVLAD(4, 3).double().requires_grad_(False), torch.randn(1, 4, 6, dtype=torch.float64)
    expected = torch.zeros(4, 3, dtype=torch.float64)
    for n in range(6):
        x = features[0, :, n]
        scores = [float(module.score_proj.weight[k, :, 0] @ x) for k in range(3)]
        total = sum(math.exp(score) for score in scores)
        for k in range(3):
            expected[:, k] += math.exp(scores[k]) / total * (x - module.centers[:, k])
    expected = F.normalize(F.normalize(expected, dim=0).flatten(), dim=0)
    torch.testing.assert_close(module(features)[0], expected)


def test_convap_means_of_regions() -> None:
    module, features = ConvAP(CHANNELS, 2, 2, 2).eval(), torch.randn(1, CHANNELS, 4, 6)
    projected = module.channel_pool(features)[0]
    halves = [projected[c, y : y + 2, x : x + 3].mean() for c in range(2) for y in (0, 2) for x in (0, 3)]
    torch.testing.assert_close(module(features)[0], F.normalize(torch.stack(halves), dim=0))


def test_sinkhorn_meets_the_sums_asked_for() -> None:
    torch.manual_seed(0)
    rows = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    columns = torch.full((4,), 0.25, dtype=torch.float64)
    plan = log_sinkhorn(torch.randn(2, 3, 4, dtype=torch.float64), rows.log(), columns.log(), 200).exp()
    torch.testing.assert_close(plan.sum(dim=2), rows.expand(2, -1))
    torch.testing.assert_close(plan.sum(dim=1), columns.expand(2, -1))


def test_salad_assigns_every_position_once() -> None:
    module = salad()
    assignment = module.log_assignment(module.scores(maps())).exp()
    assert assignment.shape == (3, 4, 20)
    torch.testing.assert_close(assignment.sum(dim=1), torch.ones(3, 20))


def test_boq_shows_where_it_looks() -> None:
    module = BoQ(CHANNELS, 64, num_queries=3, num_layers=2, row_dim=2).eval()
    vectors, attention = module.attend(maps())
    assert [tuple(look.shape) for look in attention] == [(3, 3, 20)] * 2
    torch.testing.assert_close(attention[0].sum(dim=-1), torch.ones(3, 3))
    torch.testing.assert_close(vectors, module(maps()), rtol=1e-4, atol=1e-5)


def test_cosplace_layers_by_name_and_by_position() -> None:
    assert set(CosPlace(4, 2).state_dict()) == {"gem.p", "fc.weight", "fc.bias"}
    numbered = nn.Sequential(*cosplace_layers(4, 2).values())
    assert set(numbered.state_dict()) == {"1.p", "3.weight", "3.bias"}


def test_masked_text_tokens_hardly_count() -> None:
    """They give no mass, but the first of the five steps sees them, as published."""
    torch.manual_seed(0)
    module, tokens = TokenSalad(CHANNELS, 3, 4, 5), torch.randn(2, 8, CHANNELS)
    mask = torch.ones(2, 7, dtype=torch.long)
    mask[:, 5:] = 0
    changed = tokens.clone()
    changed[:, 6:] += 1
    with torch.inference_mode():
        masked = (module(tokens, mask=mask) - module(changed, mask=mask)).abs().max()
        assert masked < 0.01 < (module(tokens) - module(changed)).abs().max()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BoQ(CHANNELS, 131), "divide into heads of 64, got 131"),
        (lambda: BoQ(CHANNELS, 32), "must be 64 or more"),
        (lambda: ConvAP(CHANNELS, 0), "at least one channel"),
        (lambda: CosPlace(0, 3), "positive widths, got 0 -> 3"),
        (lambda: MixVPR(CHANNELS, 4, 0), "positive sizes"),
        (lambda: NetVLAD(0), "positive sizes"),
        (lambda: salad(num_clusters=0), "positive sizes"),
        (lambda: MegaLocHead(0, salad()), "positive, got 0"),
        (lambda: TokenSalad(4, 0, 1, 1), "positive sizes"),
        (lambda: salad(num_clusters=20)(maps(), torch.zeros(3, CHANNELS)), "more positions than its 20 clusters"),
        (lambda: MixVPR(CHANNELS, 7, 7)(maps()), "maps of 7 x 7 positions, got 4 x 5"),
    ],
)
def test_what_cannot_work_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
