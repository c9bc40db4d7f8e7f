import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import picture, real_set
from tests.training.cells import write_cells
from vprkit.cli import main
from vprkit.loading import load_method, save_method


def vpr(*arguments) -> subprocess.CompletedProcess:
    """Run the command line in this process: importing torch anew for every command would take most of the time."""
    out, err = io.StringIO(), io.StringIO()
    status = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["vpr", *map(str, arguments)])
        patch.setenv("VPRKIT_DEBUG", "")
        try:
            main()
        except SystemExit as stop:
            status = int(stop.code or 0)
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


def ok(*arguments):
    done = vpr(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(*arguments):
    done = vpr(*arguments)
    assert done.returncode not in (0, 130) and "Traceback" not in done.stderr
    return done.stderr


def test_the_installed_command_fails_with_one_sentence():
    program = [sys.executable, "-c", "from vprkit.cli import main; main()", "evaluate", "hogg", "."]
    environment = {**os.environ, "PYTHONPATH": str(Path("src").absolute())}
    done = subprocess.run(program, capture_output=True, text=True, env=environment)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == "error: there is no method 'hogg' (did you mean 'hog'?); `vpr methods` lists them\n"


def test_evaluate_prints_a_table_and_writes_results(shared_set, tmp_path):
    out = ok(
        "evaluate",
        "hog",
        shared_set,
        "--save",
        tmp_path / "run.json",
        "--report",
        tmp_path / "run.html",
        "--save-predictions",
        3,
        "--predictions",
        tmp_path / "sheets",
        "--features",
        tmp_path / "kept",
    )
    assert "R@1" in out and "hog on set" in out
    assert json.loads((tmp_path / "run.json").read_text())["recalls"]["1"] > 50
    assert "<svg" in (tmp_path / "run.html").read_text()
    assert len(list((tmp_path / "sheets").iterdir())) == 16
    assert "run.json exists already" in refused("evaluate", "hog", shared_set, "--save", tmp_path / "run.json")
    ok("evaluate", "thumbnail", shared_set, "--save", tmp_path / "other.json")
    assert "R@1" in ok("compare", tmp_path / "run.json", tmp_path / "other.json")
    ok("report", tmp_path / "run.json", tmp_path / "other.json", "--out", tmp_path / "both.html")
    assert "thumbnail" in (tmp_path / "both.html").read_text()


def test_json_is_all_there_is_on_standard_output(shared_set):
    data = json.loads(ok("evaluate", "thumbnail", shared_set, "--json", "--recall", "1,3"))
    assert set(data["recalls"]) == {"1", "3"} and data["method"] == "thumbnail"
    both = json.loads(ok("evaluate", "hog", shared_set, shared_set, "--json"))
    assert [row["benchmark"] for row in both] == ["set", "set"]


def test_ground_truth_is_chosen(tmp_path):
    folder = real_set("msls-weather-blur-a")
    hits = {}
    for truth in ("ground_truth.csv", "ground_truth_same_image.csv", "planar"):
        data = json.loads(ok("evaluate", "thumbnail", folder, "--ground-truth", truth, "--json"))
        hits[truth] = round(data["recalls"]["10"] * data["queries"] / 100)
    assert hits == {"ground_truth.csv": 47, "ground_truth_same_image.csv": 46, "planar": 47}


def test_map_and_locate(photo_set, tmp_path):
    place = tmp_path / "city.map"
    assert "images         8" in ok("map", "build", photo_set / "database", "--out", place)
    query = sorted((photo_set / "queries").iterdir())[0]
    assert "@d0@" in ok("locate", place, query, "--top", 2)
    assert json.loads(ok("locate", place, query, "--json"))[0]["hits"][0]["rank"] == 1
    ok("locate", place, photo_set / "queries", "--format", "geojson", "--out", tmp_path / "hits.geojson")
    assert len(json.loads((tmp_path / "hits.geojson").read_text())["features"]) == 16 * 6
    Image.fromarray(picture(70)).save(photo_set / "database" / "extra.jpg")
    assert "1 image added, 9 in the map" in ok("map", "add", place, photo_set / "database")
    assert "1 image removed, 8 left" in ok("map", "remove", place, "extra.jpg")
    info = json.loads(ok("map", "info", place, "--json", "--list"))
    assert info["images"] == 8 and len(info["names"]) == 8
    assert "nothing is wrong" in ok("map", "check", place)
    (photo_set / "database" / info["names"][0]).unlink()
    assert vpr("map", "check", place).returncode == 1


def test_data_commands(photo_set):
    assert "database/ and queries/" in ok("data", "list")
    report = json.loads(ok("data", "check", photo_set, "--json"))
    assert report["passed"] and {f["check"] for f in report["findings"]} >= {"files", "leaks", "ground truth", "images"}
    sorted((photo_set / "queries").iterdir())[0].write_bytes(b"x")
    assert vpr("data", "check", photo_set).returncode == 1


def test_methods_and_weights(tmp_path):
    assert "hog" in ok("methods") and "dinov2-vitl14-reg4" in ok("methods", "dinov2-*")
    assert json.loads(ok("methods", "hog", "--json"))[0]["needs_weights"] is False
    assert "dinov2_vits14_pretrain.pth" in ok("weights", "list")
    (tmp_path / "page.pth").write_text("<!DOCTYPE html><html>Sign in</html>")
    assert "page.pth" in refused("weights", "inspect", tmp_path / "page.pth")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate", "hogg", "."), "there is no method 'hogg' (did you mean 'hog'?)"),
        (("evaluate", "hog", "nowhere"), "nowhere: there is no such folder"),
        (("evaluate", "hog", "SET", "--resize", "wide"), "resize 'wide' is not readable"),
        (("evaluate", "hog", "SET", "--set", "cels=[4]"), "did you mean 'cells'"),
        (
            ("evaluate", "hog", "SET", "--set", "preprocessing.engin=pil"),
            "'preprocessing.engin' (did you mean 'engine'",
        ),
        (("evaluate", "hog", "SET", "--device", "tpu7"), "'tpu7' is no device"),
        (("evaluate", "hog", "SET", "--recall", "1,x"), "--recall '1,x'"),
        (("evaluate", "hog", "SET", "--on-error", "ignore"), "on_error must be"),
        (("evaluate", "dinov2-vits14", "SET"), "vpr weights fetch dinov2-vits14"),
        (("locate", "nowhere.map", "x.jpg"), "there is no such file"),
        (("report", "none.json"), "none.json: there is no such file"),
    ],
)
def test_mistakes_get_one_sentence(shared_set, arguments, message):
    assert message in refused(*[str(shared_set) if part == "SET" else part for part in arguments])


def test_how_photos_are_prepared_may_be_set(shared_set, tmp_path):
    ok("evaluate", "hog", shared_set, "--set", "preprocessing.engine=tensor", "--save", tmp_path / "run.json")
    found = json.loads((tmp_path / "run.json").read_text())["identity"]["preprocessing"]
    assert (found["engine"], found["size"], found["colour"]) == ("tensor", [64, 64], "grey")


def test_version_and_plain_mistakes(tmp_path, shared_set):
    assert ok("--version") == "0.1.0\n"
    (tmp_path / "file").write_text("")
    for arguments in (
        ("map", "build", shared_set / "database", "--out", tmp_path / "file"),
        ("evaluate", "hog", shared_set, "--features", tmp_path / "file"),
        ("evaluate", "hog", shared_set, "--save", tmp_path, "--overwrite"),
        ("evaluate", "hog", shared_set, "--save", tmp_path / "file" / "x.json"),
        ("evaluate", "hog", shared_set, "--set", "cells=[1]"),
        ("evaluate", "hog", shared_set, "--recall", "²"),
        ("evaluate", "hog", shared_set, "--split", "tset"),
        ("data", "make-city", tmp_path / "c", "--splits", "nan,0,1"),
        ("weights", "fetch", "dinov2"),
        ("weights", "fetch", "hog"),
        ("methods", "hgo"),
    ):
        refused(*arguments)
    report = json.loads(vpr("data", "check", tmp_path / "nowhere", "--json").stdout)
    assert not report["passed"] and "no such folder" in report["findings"][0]["message"]


def test_names_that_no_encoding_knows(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in (b"caf\xe9.png", b"12:30:00.png", b"a\\b.png"):
        Image.fromarray(picture(len(name))).save(os.fsdecode(os.fsencode(folder) + b"/" + name))
    ok("map", "build", folder, "--out", tmp_path / "m")
    for form in ("table", "json", "csv", "geojson", "kml"):
        ok("locate", tmp_path / "m", folder, "--format", form, "--out", tmp_path / f"hits.{form}")
    assert len(json.loads((tmp_path / "hits.json").read_text())) == 3
    assert "nothing is wrong" in ok("map", "check", tmp_path / "m")


def test_phone_photos_are_told_about_and_turned(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = Image.fromarray(picture(3, (64, 48)))
    upright.transpose(Image.Transpose.ROTATE_90).save(folder / "turned.png", exif=exif)
    Image.fromarray(picture(4)).save(folder / "other.png")
    (folder / "new.heic").write_bytes(b"x")
    upright.save(tmp_path / "upright.png")
    out = vpr("map", "build", folder, "--out", tmp_path / "m")
    assert "1 file of a kind that is not read: new.heic; convert it to JPEG first" in out.stderr
    assert "2 of 2 photos have no position" in out.stderr
    assert json.loads(ok("locate", tmp_path / "m", tmp_path / "upright.png", "--json"))[0]["hits"][0]["score"] > 0.999
    ok("map", "build", folder, "--out", tmp_path / "n", "--no-exif-orientation")
    assert json.loads(ok("locate", tmp_path / "n", tmp_path / "upright.png", "--json"))[0]["hits"][0]["score"] < 0.99


def test_the_suffix_of_a_file_tells_its_format(photo_set, tmp_path):
    ok("map", "build", photo_set / "database", "--out", tmp_path / "m")
    ok("locate", tmp_path / "m", photo_set / "queries", "--out", tmp_path / "hits.kml")
    assert (tmp_path / "hits.kml").read_text().startswith("<?xml")


def test_debug_shows_the_traceback():
    assert "Traceback" in vpr("--debug", "evaluate", "hogg", ".").stderr


def test_the_demo_runs_and_goes_on_with_its_own_city_where_it_was_interrupted(tmp_path, monkeypatch):
    words = ("demo", "--out", tmp_path / "demo", "--places", 6, "--views", 6, "--streets", 16, "--epochs", 1, "-q")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    for place in ("vprkit.retrieval.map.Map.build", "vprkit.training.train.train", "vprkit.report.html.write_report"):
        with monkeypatch.context() as stopping:
            stopping.setattr(place, interrupted)
            stopped = vpr(*words)
        assert stopped.returncode == 130 and "run the same command again to go on" in stopped.stderr
    drawn = {path: path.stat().st_mtime_ns for path in (tmp_path / "demo").rglob("*.jpg")}
    assert "already holds a city" in refused(*words, "--seed", 8)
    done = ok(*words)
    assert "compact on city-test" in done and "R@1 on 18 queries: thumbnail" in done
    assert drawn and drawn == {path: path.stat().st_mtime_ns for path in drawn}
    assert {path.name for path in (tmp_path / "demo").glob("*.json")} == {"thumbnail.json", "hog.json", "compact.json"}
    assert (tmp_path / "demo" / "report.html").is_file()
    assert (tmp_path / "demo" / "run" / "best-1.safetensors").is_file()
    assert "exists already" in refused("demo", "--out", tmp_path / "demo")


def test_the_folder_of_a_run_is_a_method_and_a_method_of_that_name_comes_first(shared_set, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = {"image_size": [32, 32], "blocks": [1, 1], "stem": 8, "width": 8, "out_channels": 6, "out_rows": 2}
    for name in ("k", "hog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
        save_method(load_method("compact", "random", device="cpu", **small), tmp_path / name / "best-1.safetensors")
    assert "compact on" in ok("evaluate", "k", shared_set, "-q")
    assert "hog on" in ok("evaluate", "hog", shared_set, "-q")


def test_protocols_sets_and_conversion(shared_set, tmp_path):
    assert "msls-val-740" in ok("data", "list") and "layouts:" in ok("data", "list")
    assert "CC BY-NC-SA 4.0" in ok("data", "list", "msls") and "nordland" not in ok("data", "list", "msls")
    rows = json.loads(ok("data", "list", "--json"))
    assert {"layout", "set"} == {row["kind"] for row in rows}
    out = ok("evaluate", "thumbnail", shared_set, "--protocol", "pitts30k-test,st-lucia", "--save", tmp_path / "runs",
             "--report", tmp_path / "runs.html")  # fmt: skip
    page = (tmp_path / "runs.html").read_text()
    assert "Lists" in page and "the numbers are not comparable" in page and "pitts30k-test" in page
    assert "protocol: pitts30k-test; lists: database" in out
    assert "note: protocol st-lucia has 1,549 / 1,464, but here are 8 database images and 16 queries" in out
    assert json.loads((tmp_path / "runs" / "st-lucia.json").read_text())["protocol"] == "st-lucia"
    assert "did you mean pitts30k-test" in refused("evaluate", "hog", shared_set, "--protocol", "pits30k-test")
    assert "fixes split" in refused("evaluate", "hog", shared_set, "--protocol", "st-lucia", "--split", "val")
    assert "8 database images, 16 queries" in ok("data", "convert", shared_set, tmp_path / "csv", "--to", "csv")
    ok("evaluate", "thumbnail", tmp_path / "csv", "--submission", tmp_path / "predictions.txt")
    assert len((tmp_path / "predictions.txt").read_text().splitlines()) == 17


def test_reproduce_prints_everything_in_one_command(shared_set, tmp_path, monkeypatch):
    out = ok("reproduce", "thumbnail", "pitts30k-test", "--data", shared_set, "--save", tmp_path / "run.json")
    for part in (
        "published 10,000 / 6,816",
        "list SHA-256",
        "NOT COMPARABLE",
        "no published figure is known",
        "measured",
    ):
        assert part in out
    assert json.loads((tmp_path / "run.json").read_text())["protocol"] == "pitts30k-test"
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "Pitts30k").symlink_to(shared_set)
    monkeypatch.setenv("VPRKIT_DATASETS", str(tmp_path / "sets"))
    data = json.loads(ok("reproduce", "thumbnail", "pitts30k-test", "--json"))
    assert data["comparable"] is False and data["database"] == 8
    assert "holds no folder named like 'tokyo247'" in refused("reproduce", "thumbnail", "tokyo247")


def test_data_group_writes_classes_and_groups(tmp_path):
    photos = write_cells(tmp_path / "photos")
    rule = ["-s", "cells=2", "-s", "sectors=1", "-s", "min_images=3"]
    said = json.loads(ok("data", "group", "cosplace", photos, tmp_path / "groups.npz", *rule, "--json"))
    assert (said["images"], said["kept"], said["classes"], said["groups"]) == (32, 32, 8, 2)
    assert (tmp_path / "groups.npz").is_file()
    assert "did you mean 'cosplace'" in refused("data", "group", "cosplac", photos, tmp_path / "other.npz")
