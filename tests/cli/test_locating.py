"""What `vpr map build`, `vpr locate` and `vpr search` say to somebody who uses them for the first time."""

import json
import shutil

import pytest
import torch
from PIL import Image

from tests.cli.test_cli import ok, refused, vpr
from tests.conftest import picture
from vprkit.loading import load_method, save_method
from vprkit.method import Method


@pytest.fixture(scope="module")
def place(tmp_path_factory, shared_set):
    made = tmp_path_factory.mktemp("place") / "city.map"
    ok("map", "build", shared_set / "database", "--out", made, "-q")
    return made


@pytest.fixture
def photos(tmp_path):
    """Two photos without a position, and four of kinds that are not read."""
    folder = tmp_path / "photos"
    (folder / "inner").mkdir(parents=True)
    for number in range(2):
        Image.fromarray(picture(number)).save(folder / f"{number}.png")
    for name in ("IMG_2.HEIC", "a.avif", "inner/b.cr2", "z.jxl"):
        (folder / name).write_bytes(b"x")
    return folder


def test_photos_of_kinds_that_are_not_read_are_named(place, photos):
    told = "4 files of a kind that is not read: IMG_2.HEIC, a.avif, inner/b.cr2 and 1 more; convert them to JPEG first"
    located = vpr("locate", place, photos, "--json")
    assert told in located.stderr and len(json.loads(located.stdout)) == 2
    built = vpr("map", "build", photos, "--out", photos.parent / "m", "-q")
    assert built.returncode == 0 and told in built.stderr
    added = vpr("map", "add", photos.parent / "m", photos, "-q")
    assert added.returncode == 0 and told in added.stderr and "0 images added, 2 in the map" in added.stdout
    for photo in photos.glob("*.png"):
        photo.unlink()
    for arguments in (("locate", place, photos), ("map", "build", photos, "--out", photos.parent / "n")):
        said = refused(*arguments)
        assert f"{photos}: holds no photos (looked for" in said and told in said


def test_an_ending_that_nothing_is_written_as_is_refused(place, shared_set, tmp_path):
    said = refused("locate", place, shared_set / "queries", "--out", tmp_path / "where.xlsx")
    assert "nothing is written as '.xlsx'" in said and ".csv, .geojson, .kml, .gpx, .txt (a table)" in said
    assert not (tmp_path / "where.xlsx").exists()
    done = vpr("locate", place, shared_set / "queries", "--out", tmp_path / "where.txt")
    assert f"16 answers: {tmp_path / 'where.txt'}" in done.stderr and done.stdout == ""
    assert "(of the best 8 hits, " in (tmp_path / "where.txt").read_text()
    ok("locate", place, shared_set / "queries", "--out", tmp_path / "where.xlsx", "--format", "csv")
    assert (tmp_path / "where.xlsx").read_text().startswith("query,rank")


def test_without_a_calibration_nothing_is_said_to_be_known(place, shared_set):
    told = json.loads(ok("locate", place, shared_set / "queries", "--format", "geojson"))
    assert {feature["properties"]["known"] for feature in told["features"]} == {None}


def test_a_map_without_positions_is_told_of_once(photos):
    (photos.parent / "texts.csv").write_text("image_path,description\n0.png,a door\n1.png,a wall\n")
    built = ok("map", "build", photos, "--out", photos.parent / "m", "--texts", photos.parent / "texts.csv", "-q")
    assert "images         2" in built
    done = vpr("locate", photos.parent / "m", photos)
    assert done.stderr.count("none of the map's photos has a position, so no answer has one") == 1
    searched = vpr("search", photos.parent / "m", "a door")
    assert searched.stderr.count("none of the map's photos has a position") == 1


def test_map_and_photo_the_wrong_way_round(place, shared_set):
    photo = min((shared_set / "queries").iterdir())
    said = refused("locate", photo, place)
    assert f"{photo} is a photo, not a map" in said and f"vpr locate {place} {photo}" in said


def test_a_file_is_no_map(place, tmp_path):
    (tmp_path / "list.csv").write_text("path")
    assert "list.csv is a file, not a map; write vpr locate MAP PHOTO" in refused(
        "locate", tmp_path / "list.csv", place
    )
    said = refused("search", tmp_path / "list.csv", "a bakery")
    assert "list.csv: there is no map here" in said and "Errno" not in said


def test_an_empty_folder_is_named(place, tmp_path):
    assert f"{tmp_path}: holds no photos (looked for .jpg" in refused("locate", place, tmp_path)


def test_a_sentence_without_quotes(place):
    assert f'put the sentence in quotes: vpr search {place} "a bakery"' in refused("search", place, "a", "bakery")


def test_an_index_of_too_few_images_is_refused_before_anything_is_loaded(place, shared_set, tmp_path):
    for out in (tmp_path / "new.map", place):
        done = vpr("map", "build", shared_set / "database", "--out", out, "--index", "fast")
        assert done.returncode == 1 and "at least 1000 images, there are 8" in done.stderr
        assert "numbers: at most" not in done.stderr
    assert not (tmp_path / "new.map").exists()


def test_building_says_what_was_there_already(shared_set, tmp_path):
    again = ("map", "build", shared_set / "database", "--out", tmp_path / "m", "-q")
    assert "8 images described, 0 in the map already" in vpr(*again).stderr
    assert "0 images described, 8 in the map already" in vpr(*again).stderr


def test_the_first_unreadable_photo_comes_with_the_remedy(place, photos):
    (photos / "0.png").write_bytes(b"no picture")
    for arguments in (("locate", place, photos), ("map", "build", photos, "--out", photos.parent / "m", "--on-error",
                                                  "fail")):  # fmt: skip
        said = refused(*arguments)
        assert "0.png" in said and "--on-error skip goes on" in said
    (photos.parent / "set").mkdir()
    for role in ("database", "queries"):
        shutil.copytree(photos, photos.parent / "set" / role)
    assert "--on-error skip goes on" in refused("evaluate", "hog", photos.parent / "set")
    assert vpr("locate", place, photos, "--on-error", "skip").returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("map", "build", "SET", "--out", "NEW", "--texts", "nope.csv"),
        ("evaluate", "hog", "SET", "--query-list", "nope.csv"),
        ("train", "compact", "--config", "nope.csv"),
    ],
    ids=["texts", "queries", "configuration"],
)
def test_a_missing_file_is_called_missing(shared_set, tmp_path, arguments):
    given = {"SET": shared_set, "NEW": tmp_path / "new.map"}
    said = refused(*[given.get(part, part) for part in arguments])
    assert "nope.csv: there is no such file" in said and "Errno" not in said


def test_facts_are_words(place, tmp_path):
    assert "{" not in (told := ok("map", "info", place)) and "bounds         latitude " in told and " to " in told
    city = ok("data", "make-city", tmp_path / "city", "--places", 2, "--views", 4, "--size", 64, "-q")
    assert "{" not in city and f"at {tmp_path / 'city'}" in city and "Path(" not in city


def test_a_map_of_a_network_of_ones_own_is_opened_in_python(place, tmp_path):
    own = tmp_path / "own.map"
    own.mkdir()
    for part in place.iterdir():
        (own / part.name).symlink_to(part)
    settings = json.loads((place / "map.json").read_text())
    settings["method"]["name"] = "sequential"
    (own / "map.json").unlink()
    (own / "map.json").write_text(json.dumps(settings))
    said = refused("map", "info", own)
    assert "own.map was made with a network of your own ('sequential'); open it in Python" in said
    assert "hog" not in said and "vprkit.Map.open(path, method=...)" in said


def test_a_map_whose_weights_are_elsewhere_now_is_told_where(shared_set, tmp_path):
    file, made = tmp_path / "first.safetensors", tmp_path / "m"
    save_method(load_method("dinov2-vits14", weights="random", depth=1, resize="28", device="cpu"), file)
    ok("map", "build", shared_set / "database", "--out", made, "-q", "--method", file)
    moved = file.rename(tmp_path / "moved.safetensors")
    for command in (("info", made), ("check", made), ("remove", made, "*")):
        assert f"m was made with {file}; say where that file is now with --weights" in refused("map", *command)
        ok("map", *command, "--weights", moved)


def test_what_is_added_in_another_precision_is_said(shared_set, tmp_path):
    made, small = tmp_path / "m", ("--method", "dinov2-vits14", "--weights", "random:1", "--set", "depth=1")
    ok("map", "build", shared_set / "database", "--out", made, "-q", *small, "--resize", "28", "--precision", "bf16")
    added = vpr("map", "add", made, shared_set / "queries", "-q")
    assert added.returncode == 0
    assert "note: this map's images were described in bf16, what is added now is in fp32" in added.stderr
    assert "384 numbers: at most" in added.stderr
    assert "note:" not in vpr("map", "add", made, shared_set / "queries", "-q", "--precision", "bf16").stderr


def test_a_full_accelerator_is_one_sentence(place, shared_set, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(Method, "describe_batch", full)
    assert "too little memory for this. Describing takes less with a smaller --batch-size" in refused(
        "locate", place, shared_set / "queries"
    )
