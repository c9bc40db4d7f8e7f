"""What a new user runs into: folders that are taken, runs that are finished, commands that seem to do nothing."""

import re

from tests.cli.test_cli import refused, vpr
from vprkit.cli.train import Watched
from vprkit.training.reporting import Pace


def test_the_demo_leaves_folders_alone_that_hold_something_else(shared_set, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    for more in ((), ("--overwrite",)):
        assert "is not empty and holds no demo; choose a new" in refused("demo", "--out", shared_set, "-q", *more)
    assert not (shared_set / "city").exists()
    monkeypatch.setattr("vprkit.data.city.generate._render", interrupted)
    (tmp_path / "city").mkdir()  # killed between making the folder and writing the plan
    for _ in range(2):
        assert vpr("demo", "--out", tmp_path, "--places", 6, "--views", 6, "-q").returncode == 130
    assert (tmp_path / "city" / ".city-work").is_dir()


def test_a_run_without_a_terminal_says_what_every_epoch_came_to(capsys):
    for quiet in (False, True):
        watched = Watched(quiet)
        for epoch in (1, 2):
            for batch in (1, 2, 3):
                watched.pace(Pace(epoch, 2, batch, 3, 40, 0.25 / epoch, 1e-3))
        watched.close()
    first, second = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"epoch 1/2: loss 0\.2500, rate 0\.001, [\d,]+ images/s", first)
    assert second.startswith("epoch 2/2: loss 0.1250, rate 0.001, ")
    Watched(False).pace(Pace(1, 1, 1, 1, 40, float("nan"), 1e-3))  # one batch has no speed, no step no loss
    assert capsys.readouterr().err == "epoch 1/1: loss –, rate 0.001\n"
