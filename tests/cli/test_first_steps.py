"""What a new user runs into: folders that are taken, runs that are finished, commands that seem to do nothing."""

from tests.cli.test_cli import refused, vpr


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
