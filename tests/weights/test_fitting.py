"""Fitting tensors into a network, key by key."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from vprkit.errors import WeightsError
from vprkit.weights import fit, on_meta


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def state() -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {name: torch.randn_like(t) if t.is_floating_point() else t + 5 for name, t in network().state_dict().items()}


@pytest.mark.parametrize("meta", [True, False])
def test_an_exact_fit(meta: bool) -> None:
    target = on_meta(network) if meta else network()
    fit(target, state(), source="x")
    for name, tensor in state().items():
        assert torch.equal(target.state_dict()[name], tensor)
    assert all(parameter.requires_grad for parameter in target.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions_become_float32(dtype: torch.dtype) -> None:
    stored = {name: t.to(dtype) if t.is_floating_point() else t for name, t in state().items()}
    target = on_meta(network)
    fit(target, stored, source="x")
    assert target.state_dict()["0.weight"].dtype == torch.float32
    assert torch.equal(target.state_dict()["0.weight"], stored["0.weight"].float())


def test_everything_wrong_is_listed() -> None:
    wrong = state()
    wrong["0.wieght"] = wrong.pop("0.weight")
    wrong["1.bias"] = torch.zeros(7)
    wrong["extra"] = torch.zeros(1)
    with pytest.raises(WeightsError) as caught:
        fit(network(), wrong, source="x.pth does not fit tiny")
    assert str(caught.value) == (
        "x.pth does not fit tiny: 1 missing: '0.weight' (the file has '0.wieght'); "
        "2 unexpected: '0.wieght' (nearest is '0.weight'), 'extra'; "
        "1 of another shape: '1.bias' is (7,), must be (4,)"
    )


def test_long_lists_are_cut() -> None:
    with pytest.raises(WeightsError, match=r"7 missing: .* and 3 more; 20 unexpected: .* and 16 more"):
        fit(network(), {f"other.{i}": torch.zeros(1) for i in range(20)}, source="x")


def test_another_kind_of_number_is_refused() -> None:
    wrong = state() | {"1.num_batches_tracked": torch.tensor(1.5)}
    with pytest.raises(WeightsError, match=r"'1\.num_batches_tracked' holds torch\.float32, must hold torch\.int64"):
        fit(network(), wrong, source="x")


def test_the_key_map_renames_and_drops() -> None:
    foreign = {f"net.{name}": tensor for name, tensor in state().items()} | {"head.weight": torch.zeros(1)}
    target = on_meta(network)
    fit(target, foreign, source="x", key_map=lambda name: None if name.startswith("head.") else name[4:])
    assert torch.equal(target.state_dict()["1.weight"], state()["1.weight"])


def test_two_names_for_one_parameter_are_refused() -> None:
    doubled = state() | {"1.0.weight": torch.zeros(4, 3)}
    with pytest.raises(WeightsError, match=r"'1\.0\.weight' and '0\.weight' both mean"):
        fit(network(), doubled, source="x", key_map=lambda name: name.removeprefix("1.0.").removeprefix("0."))


def test_tied_weights_part() -> None:
    shared = torch.zeros(2, 2)
    target = on_meta(lambda: nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)))
    fit(target, {"0.weight": shared, "1.weight": shared}, source="x")
    with torch.no_grad():
        target[0].weight += 1  # type: ignore[index]
    assert not target[1].weight.any()  # type: ignore[index]


def test_a_buffer_outside_the_state_is_noticed() -> None:
    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))
            self.register_buffer("table", torch.zeros(1), persistent=False)

    with pytest.raises(WeightsError, match="'table'"):
        fit(on_meta(Hidden), {"weight": torch.ones(1)}, source=str(Path("x")))
