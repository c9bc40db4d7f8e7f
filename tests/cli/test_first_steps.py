"""What a new user runs into: folders that are taken, runs that are finished, commands that seem to do nothing."""

import re

from tests.cli.test_cli import ok, refused, vpr
from tests.training.small import OPTIONS, as_arguments, write_gsv
from vprkit.cli.train import Watched
from vprkit.training.reporting import Pace
from vprkit.training.state import Position


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


def test_a_finished_run_says_so(tmp_path):
    places = write_gsv(tmp_path / "gsv")
    words = ("train", "mixvpr", *as_arguments({**OPTIONS, "epochs": 1}), "-d", f"train={places}")
    first, again = (vpr(*words, "--out", tmp_path / "run") for _ in range(2))
    assert "epoch 1/1: loss" in first.stderr and "going on" not in first.stderr
    assert first.stdout.startswith("1 epoch, 3 steps. Weights: ") and again.stdout == first.stdout
    assert "this run is finished, after epoch 1, step 3; epochs=N trains further" in again.stderr
    assert Position(1, 2, 5).told(2) == "going on after epoch 1, batch 2, step 5"


def test_building_a_map_whose_photos_were_removed_says_how_they_come_back(shared_set, tmp_path):
    photos, build = shared_set / "database", ("map", "build", shared_set / "database", "--out", tmp_path / "m", "-q")
    assert "note: " not in vpr(*build).stderr
    ok("map", "remove", tmp_path / "m", "*")
    again = vpr(*build)
    assert "0 images described, 8 known already" in again.stderr
    assert f"8 of 8 photos were removed from this map; `vpr map add {tmp_path / 'm'} {photos}`" in again.stderr
    assert "8 images added, 8 in the map" in ok("map", "add", tmp_path / "m", photos, "-q")
    assert f"no image of {tmp_path / 'm'}; `vpr map info {tmp_path / 'm'} --list` shows the names" in refused(
        "map", "remove", tmp_path / "m", "none*"
    )
