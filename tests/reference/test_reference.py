"""Every reference case is checked, or listed as pending with its reason; anything else fails."""

import pytest

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
