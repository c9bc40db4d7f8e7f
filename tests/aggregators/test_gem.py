"""GeM against plain loops."""

import pytest
import torch
from torch import Tensor

from tests.reference import runner
from vprkit.aggregators.gem import GeM, generalised_mean
from vprkit.errors import ConfigError


def by_loops(features: Tensor, p: float, eps: float) -> Tensor:
    rows = [
        [sum(max(float(v), eps) ** p for v in channel.flatten()) / channel.numel() for channel in image]
        for image in features.double()
    ]
    return torch.tensor(rows, dtype=torch.float64) ** (1 / p)


@pytest.mark.parametrize("p", [1.0, 3.0, 4.5])
def test_the_formula(p: float) -> None:
    features = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(GeM(p)(features).double(), by_loops(features, p, 1e-6), rtol=1e-5, atol=1e-6)


def test_tokens_pool_like_maps() -> None:
    features = torch.randn(2, 3, 4, 5).abs()
    tokens = features.flatten(2).transpose(1, 2)
    torch.testing.assert_close(generalised_mean(tokens, 3.0, dim=1), GeM()(features))


def test_normalising() -> None:
    features = torch.randn(2, 3, 4, 5)
    pooled = GeM(normalise_locations=True, normalise=True)(features)
    torch.testing.assert_close(pooled.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(
        pooled, GeM(normalise_locations=True, normalise=True)(features * 7), rtol=1e-4, atol=1e-5
    )


def test_an_all_zero_location_is_finite() -> None:
    assert GeM(normalise_locations=True, normalise=True)(torch.zeros(1, 3, 2, 2)).isfinite().all()


def test_the_exponent_learns() -> None:
    gem = GeM()
    gem(torch.rand(1, 3, 2, 2)).sum().backward()
    assert list(gem.state_dict()) == ["p"] and gem.p.shape == (1,) and gem.p.grad is not None


@pytest.mark.parametrize("options", [{"p": 0.0}, {"eps": 0.0}])
def test_impossible_settings_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        GeM(**options)  # type: ignore[arg-type]


def test_selavpr_aggregation() -> None:
    if "selavpr/selavpr_aggregation" not in runner.discover():
        pytest.skip("the case selavpr/selavpr_aggregation is not in this checkout's selection")
    case = runner.Case.named("selavpr/selavpr_aggregation")
    for p in case.config["p"]:
        gem = GeM(p, case.config["eps"], normalise_locations=True, normalise=True)
        case.check(f"p{p}/global", gem(case.input("x")))
