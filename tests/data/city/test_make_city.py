"""A city on disk: the same bytes however it is made, names that hold what they say, folders that are safe."""

import csv
import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import utm
from PIL import Image

from vprkit.data.city import CityOptions, CitySummary, make_city
from vprkit.data.city.plan import CityPlan
from vprkit.errors import ConfigError, DataError

PLACES, VIEWS, SIZE = 6, 8, 64


def _make(out: Path, **changes: object) -> CitySummary:
    options = {"places": PLACES, "views": VIEWS, "seed": 5, "size": SIZE, **changes}
    return make_city(out, **options)  # type: ignore[arg-type]


def _bytes(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def _rows(root: Path, role: str, split: str = "test") -> list[dict[str, str]]:
    with (root / "images" / split / f"{role}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("city") / "one"
    summary = _make(out, workers=1)
    assert summary.images == summary.rendered == PLACES * VIEWS
    return out


def test_bytes_do_not_depend_on_the_number_of_workers(city: Path, tmp_path: Path) -> None:
    _make(tmp_path / "two", workers=2)
    assert _bytes(tmp_path / "two") == _bytes(city)


def test_another_seed_is_another_city(city: Path, tmp_path: Path) -> None:
    _make(tmp_path / "other", places=4, views=4, seed=6, workers=1)
    ours = {content for name, content in _bytes(city).items() if name.endswith(".jpg")}
    theirs = {content for name, content in _bytes(tmp_path / "other").items() if name.endswith(".jpg")}
    assert not ours & theirs


def test_images_are_photos_of_the_size_asked_for(city: Path) -> None:
    for row in _rows(city, "queries") + _rows(city, "database"):
        with Image.open(city / "images/test" / row["path"]) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (SIZE, SIZE))
            assert np.asarray(image).std() > 5


def test_names_agree_with_the_tables_and_with_utm(city: Path) -> None:
    for row in _rows(city, "queries") + _rows(city, "database"):
        fields = Path(row["path"]).name.split("@")
        assert len(fields) == 16 and fields[0] == "" and fields[15] == ".jpg"
        assert [len(fields[n]) for n in (1, 2, 3, 4, 5, 6, 8, 9)] == [10, 10, 2, 1, 9, 10, 2, 3]
        assert (f"{float(fields[1]):.2f}", f"{float(fields[2]):.2f}") == (row["east"], row["north"])
        assert fields[3] + fields[4] == row["zone"] == "32T"
        assert (float(fields[5]), float(fields[6])) == (float(row["lat"]), float(row["lon"]))
        latitude, longitude = utm.to_latlon(float(row["east"]), float(row["north"]), 32, "T")
        assert abs(latitude - float(row["lat"])) < 6e-6 and abs(longitude - float(row["lon"])) < 6e-6
        assert int(fields[9]) == int(float(row["heading"])) % 360
        assert (fields[13], fields[14]) == (row["time"], row["condition"])


def test_times_suit_the_conditions(city: Path) -> None:
    hours = {"day": range(8, 18), "overcast": range(9, 17), "dusk": range(19, 21), "rain": range(9, 18)}
    hours |= {"snow": range(9, 16)}
    for row in _rows(city, "queries") + _rows(city, "database"):
        hour, month = int(row["time"][9:11]), int(row["time"][4:6])
        if row["condition"] == "night":
            assert hour >= 21 or hour < 4
        else:
            assert hour in hours[row["condition"]]
        assert row["condition"] != "snow" or month in (1, 2, 12)


def test_database_is_by_day_and_queries_are_not_only(city: Path) -> None:
    assert {row["condition"] for row in _rows(city, "database")} == {"day"}
    found = {row["condition"] for row in _rows(city, "queries")}
    assert found == {"day", "night", "dusk", "rain", "snow", "overcast"}


def test_every_query_has_a_positive_that_looks_the_same_way(city: Path) -> None:
    database = _rows(city, "database")
    for query in _rows(city, "queries"):
        near = [row for row in database if _distance(row, query) <= 25]
        assert near and all(row["place"] == query["place"] for row in near)
        turns = [abs((float(row["heading"]) - float(query["heading"]) + 180) % 360 - 180) for row in near]
        assert min(turns) < 20
        assert min(_distance(row, query) for row in near) > 0.01


def _distance(a: dict[str, str], b: dict[str, str]) -> float:
    return math.hypot(float(a["east"]) - float(b["east"]), float(a["north"]) - float(b["north"]))


def test_places_are_60_metres_apart() -> None:
    spots = np.array([(place.x, place.y) for place in CityPlan(3, 150).places])
    assert len(spots) == 150
    gaps = np.linalg.norm(spots[:, None] - spots[None], axis=2)
    assert gaps[~np.eye(len(spots), dtype=bool)].min() >= 60


def test_descriptions_have_the_published_form(city: Path) -> None:
    with (city / "images/test/descriptions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["image_path", "description"] and len(rows) == PLACES * VIEWS
    texts = {row["image_path"]: row["description"] for row in rows}
    for row in _rows(city, "queries") + _rows(city, "database"):
        assert texts[row["path"]] == row["text"]
        assert (city / "images/test" / row["path"]).is_file()


def test_splits_share_no_place(tmp_path: Path) -> None:
    _make(tmp_path, views=4, splits=(0.5, 0.2, 0.3), workers=1)
    places = {split: {row["place"] for row in _rows(tmp_path, "database", split)} for split in ("train", "val", "test")}
    assert [len(found) for found in places.values()] == [3, 1, 2]
    assert len(set.union(*places.values())) == PLACES


def test_the_manifest_tells_what_was_made(city: Path) -> None:
    manifest = json.loads((city / "city.json").read_text())
    assert manifest["options"]["seed"] == 5 and manifest["images"] == PLACES * VIEWS
    listed = (city / "city-files.txt").read_text().splitlines()
    assert len(listed) == manifest["files"] == PLACES * VIEWS + 3
    assert all((city / name).is_file() for name in listed)
    assert not (city / ".city-work").exists()


def test_a_city_is_not_replaced_unless_asked(tmp_path: Path) -> None:
    _make(tmp_path, places=2, views=4, workers=1)
    with pytest.raises(DataError, match=str(tmp_path)):
        _make(tmp_path, places=2, views=4, seed=9, workers=1)
    (tmp_path / "notes.txt").write_text("mine")
    before = set(_bytes(tmp_path))
    _make(tmp_path, places=2, views=4, seed=9, workers=1, overwrite=True)
    after = set(_bytes(tmp_path))
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not {name for name in before & after if name.endswith(".jpg")}


def test_a_folder_with_other_things_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("...")
    for overwrite in (False, True):
        with pytest.raises(DataError, match=r"not empty"):
            _make(tmp_path, places=2, views=4, overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_interrupted_work_is_taken_up_again(city: Path, tmp_path: Path) -> None:
    out = tmp_path / "resumed"

    def interrupt(done: int, total: int) -> None:
        if done >= 2 * VIEWS:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _make(out, workers=1, progress=interrupt)
    assert not (out / "city.json").exists()
    with pytest.raises(DataError, match="unfinished"):
        _make(out, seed=77, workers=1)
    summary = _make(out, workers=1)
    assert summary.rendered == (PLACES - 2) * VIEWS
    assert _bytes(out) == _bytes(city)


def test_unfinished_work_can_be_replaced(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _make(tmp_path, places=2, views=4, workers=1, progress=interrupt)
    _make(tmp_path, places=2, views=4, seed=8, workers=1, overwrite=True)
    assert len(list(tmp_path.rglob("*.jpg"))) == 8


def test_a_missing_image_of_interrupted_work_is_rendered_again(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _make(tmp_path, places=2, views=4, workers=1, progress=interrupt)
    next(iter(tmp_path.rglob("*.jpg"))).unlink()
    assert _make(tmp_path, places=2, views=4, workers=1).rendered == 5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"places": 1}, "at least 2 places"),
        ({"views": 3}, "at least 4 views"),
        ({"size": 8}, "between 32 and 2048"),
        ({"layouts": ("gvs",)}, "did you mean 'gsv'"),
        ({"layouts": ("at", "at")}, "named twice"),
        ({"conditions": ("nigth",)}, "did you mean 'night'"),
        ({"splits": (0.5, 0.5, 0.5)}, "add up to 1"),
    ],
)
def test_options_are_checked_first(changes: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        _make(tmp_path / "never", **changes)
    assert not (tmp_path / "never").exists()


def test_options_identify_a_city() -> None:
    options = CityOptions(places=3)
    assert options.fingerprint() == CityOptions(places=3).fingerprint()
    assert options.fingerprint() != dataclasses.replace(options, seed=1).fingerprint()
