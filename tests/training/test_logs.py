import json

import pytest

from vprkit.errors import MissingExtra
from vprkit.training.logs import Logs


def test_lines_after_the_step_a_run_goes_on_from_are_dropped(tmp_path):
    path = tmp_path / "log.jsonl"
    logs = Logs(("jsonl",), path, 0)
    for step in range(1, 6):
        logs.write(step, loss=step / 10)
    logs.close()
    with path.open("a") as file:
        file.write('{"step": 6, "lo')  # a kill in the middle of a line
    again = Logs(("jsonl",), path, 3)
    again.write(4, loss=0.4)
    again.close()
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2, 3, 4]


def test_tensorboard_reads_what_was_written(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logs = Logs(("tensorboard",), tmp_path / "log.jsonl", 0)
    logs.write(1, loss=0.5, note="words are left out")
    logs.write(2, loss=0.25)
    logs.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 0.5), (2, 0.25)]


def test_weights_and_biases_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    (tmp_path / "run").mkdir()
    logs = Logs(("wandb",), tmp_path / "run" / "log.jsonl", 0)
    logs.write(1, loss=0.5)
    logs.close()
    assert list((tmp_path / "run").rglob("*.wandb"))


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    with pytest.raises(MissingExtra, match=r"\[wandb\]"):
        Logs(("wandb",), tmp_path / "log.jsonl", 0)


def test_numbers_that_are_not_finite_are_null(tmp_path):
    logs = Logs(("jsonl",), tmp_path / "log.jsonl", 0)
    logs.write(1, loss=float("nan"), rate=0.5, ages=[1, 2])
    logs.close()
    assert (tmp_path / "log.jsonl").read_text() == '{"step": 1, "loss": null, "rate": 0.5, "ages": [1, 2]}\n'
