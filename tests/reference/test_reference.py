"""Every reference case is checked, or listed as pending with its reason; anything else fails."""

import json

import pytest
import torch
from safetensors.torch import save_file

from tests.reference import runner


@pytest.mark.parametrize("name", runner.discover())
def test_case(name: str) -> None:
    handler = runner.handlers().get(name)
    if handler is not None:
        case = runner.Case.named(name)
        handler(case)
        case.assert_complete()
        return
    reason = runner.pending().get(name)
    assert reason is not None, f"{name} is neither implemented nor listed in {runner.PENDING}"
    pytest.skip(f"pending: {reason}")


def test_there_are_cases() -> None:
    assert runner.discover(), f"no reference case under {runner.root()}"


def test_pending_holds_nothing_that_is_implemented() -> None:
    done = sorted(set(runner.pending()) & set(runner.handlers()))
    assert not done, f"remove from pending.txt: {', '.join(done)}"


def test_an_unknown_case_fails(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "nobody" / "cases"
    folder.mkdir(parents=True)
    (folder / "surprise.json").write_text("{}")
    monkeypatch.setenv("VPRKIT_REFERENCE", str(tmp_path))
    assert runner.discover() == ["nobody/surprise"]
    with pytest.raises(AssertionError, match="neither implemented nor listed"):
        test_case("nobody/surprise")


@pytest.fixture
def case(tmp_path) -> runner.Case:
    outputs = {"output/a_grad": torch.ones(2), "output/a_loss": torch.tensor([1.0, torch.inf])}
    save_file(outputs, tmp_path / "made.safetensors")
    told = {"tolerance": {"rtol": 0, "atol": 0.5}, "grad_tolerance": {"rtol": 0.1, "atol": 0}}
    (tmp_path / "made.json").write_text(json.dumps(told))
    return runner.Case("nobody/made", tmp_path)


def test_a_tolerance_is_meant_for_the_outputs_with_its_word(case) -> None:
    assert [case.tolerance(name) for name in ("a_grad", "step/grads", "a_gradient")] == [(0.1, 0), (0.1, 0), (0, 0.5)]
    case.check("a_loss", torch.tensor([1.4, torch.inf]))
    with pytest.raises(AssertionError, match="a_grad is off by"):
        case.check("a_grad", torch.full((2,), 1.4))


def test_an_output_that_nobody_compares_fails(case) -> None:
    case.check("a_grad", torch.ones(2))
    with pytest.raises(AssertionError, match="not compared: a_loss"):
        case.assert_complete()
    case.json["not_compared"] = ["output/a_loss"]
    case.assert_complete()


def test_training_the_weights_leaves_those_of_the_case(tmp_path) -> None:
    save_file({"state/w": torch.ones(2)}, tmp_path / "made.safetensors")
    case = runner.Case("nobody/made", tmp_path)
    case.state()["w"].zero_()
    assert torch.equal(case.state()["w"], torch.ones(2))
