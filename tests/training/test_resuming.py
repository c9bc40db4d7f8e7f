"""Real processes that are killed or train together, against runs of this one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.small import OPTIONS, as_arguments, break_photos, copied, write_gsv
from vprkit.training.train import train

COMMAND = [sys.executable, "-m", "vprkit", "train", "mixvpr"]
AUGMENTED = {"augmentation.rand_augment": 2, "augmentation.brightness": 0.4, "augmentation.crop_area": 0.7}
MEMORY = {"memory.size": 20, "memory.start_epoch": 1, "memory.record_every": 3}
LONG = {**AUGMENTED, "epochs": 4, "running.checkpoint_every": 2, "sampling.places": 2}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    return write_gsv(tmp_path_factory.mktemp("gsv") / "set")


def start(places, out, **options):
    environment = {**os.environ, "PYTHONPATH": str(Path("src").absolute()), "OMP_NUM_THREADS": "1"}
    val = options.pop("val", None)
    data = ["--data", f"train={places}", *(["--data", f"val={val}"] if val else [])]
    command = [*COMMAND, *as_arguments({**OPTIONS, **options}), *data, "--out", str(out)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(places, out, **options):
    """What `start` starts, in this process: there Lightning is loaded once."""
    data = {"train": places, **({"val": options.pop("val")} if "val" in options else {})}
    train("mixvpr", data, out=out, options={**OPTIONS, **options})
    return out


def finish(process):
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return out


def wait_for_step(out, step):
    for _ in range(6000):
        log = out / "log.jsonl"
        if log.is_file() and any(json.loads(line)["step"] >= step for line in log.read_text().splitlines(True)
                                 if line.endswith("\n")):  # fmt: skip
            return
        time.sleep(0.01)
    raise AssertionError("no such step")


def test_a_run_that_is_asked_to_stop_goes_on_as_if_nothing_had_happened(tmp_path, places):
    stopped = start(places, tmp_path / "stopped", **LONG)
    wait_for_step(tmp_path / "stopped", 9)
    stopped.send_signal(signal.SIGTERM)
    _, errors = stopped.communicate(timeout=60)
    assert stopped.returncode != 0 and "interrupted" in errors
    assert torch.load(tmp_path / "stopped" / "last.ckpt", weights_only=True)["position"]["step"] < 24
    run(places, tmp_path / "stopped", **LONG)
    assert_same_run(tmp_path / "stopped", run(places, tmp_path / "whole", **LONG))


def assert_same_run(one, other):
    """The same log to the byte and the same weights to the bit."""
    assert (one / "log.jsonl").read_text() == (other / "log.jsonl").read_text()
    first, second = (load_file(folder / "last.safetensors") for folder in (one, other))
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def killed_inside_an_epoch(places, folder, **options):
    """Folder of a run that was killed inside its second epoch; a kill that came later is tried again."""
    for attempt in range(5):
        out = folder / f"killed-{attempt}"
        killed = start(places, out, **options)
        wait_for_step(out, 9)  # its line stands after step 8 was saved
        killed.kill()
        killed.communicate(timeout=60)
        state = torch.load(out / "last.ckpt", weights_only=True)
        if state["position"]["batch"] > 0:
            return out, state
    raise AssertionError("every kill came at the end of an epoch")


def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path, places):
    """Killed inside an epoch that uses a memory, with slots of several ages and the queue gone round."""
    whole = run(places, tmp_path / "whole", **LONG, **MEMORY)
    out, state = killed_inside_an_epoch(places, tmp_path, **LONG, **MEMORY)
    assert state["task"]["memory.bank._extra_state"]["steps"] > 0
    finish(start(places, out, **LONG, **MEMORY))
    assert_same_run(out, whole)
    assert "histogram_memory" in (out / "log.jsonl").read_text()
    assert not any("memory" in name for name in load_file(out / "last.safetensors"))


def test_two_processes_train_and_validate_as_one(tmp_path, places, shared_set):
    """Losses (the second epoch with a memory), weights, recalls of a set with photos that nobody can read; batch
    statistics are each rank's own, so frozen."""
    spoilt = copied(shared_set, tmp_path / "set")
    break_photos(spoilt)
    options = {**MEMORY, "trunk.frozen_layers": 5, "epochs": 2, "validation.batch_size": 4, "val": tmp_path / "set",
               "running.on_error": "skip"}  # fmt: skip
    together = start(places, tmp_path / "two", **options, **{"running.devices": 2})
    run(places, tmp_path / "one", **options)
    finish(together)
    lines = [[json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
             for name in ("one", "two")]  # fmt: skip
    assert [row["loss"] for row in lines[0] if "loss" in row] == pytest.approx(
        [row["loss"] for row in lines[1] if "loss" in row], abs=1e-5
    )
    recalls = [[row for row in rows if "val:R@1" in row] for rows in lines]
    assert recalls[0] == recalls[1] and len(recalls[0]) == 2
    named = (tmp_path / "two" / "broken.txt").read_text()
    assert spoilt.database.path(2).name in named and spoilt.queries.path(0).name in named
    one, two = (load_file(tmp_path / name / "best-1.safetensors") for name in ("one", "two"))
    assert all(torch.allclose(one[name].float(), two[name].float(), atol=1e-5) for name in one)
