"""The other layouts hold what their formats say."""

import csv
import math
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vprkit.data.benchmark import open_benchmark
from vprkit.data.city import make_city
from vprkit.data.city.blocks import Face
from vprkit.data.city.layouts.at import site_of
from vprkit.data.city.layouts.sfxl import HEIGHT, WIDTH, SfxlLayout, column_of
from vprkit.data.city.options import CityOptions
from vprkit.data.city.render import take_photo
from vprkit.data.city.scene import City


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("layouts")
    summary = make_city(out, places=10, views=5, seed=2, layouts=("gsv", "msls"), size=48, workers=1)
    return summary.roots


def test_one_layout_lies_in_the_folder_itself_and_so_does_at(roots: dict[str, Path], tmp_path: Path) -> None:
    assert roots["gsv"].name == "gsv" and roots["msls"] == roots["gsv"].parent / "msls"
    alone = make_city(tmp_path / "a", places=2, views=4, layouts=("gsv",), size=32, workers=1)
    assert alone.roots == {"gsv": tmp_path / "a"} and (tmp_path / "a/Dataframes").is_dir()
    both = make_city(tmp_path / "b", places=2, views=4, layouts=("gsv", "at"), size=32, workers=1)
    assert both.roots == {"gsv": tmp_path / "b/gsv", "at": tmp_path / "b"}
    assert (tmp_path / "b/images/test/database").is_dir()


def test_gsv_names_are_built_from_the_table(roots: dict[str, Path]) -> None:
    root = roots["gsv"]
    tables = sorted((root / "Dataframes").glob("*.csv"))
    assert len(tables) >= 3
    listed = set()
    for table in tables:
        rows = _table(table)
        assert list(rows[0]) == ["place_id", "year", "month", "northdeg", "city_id", "lat", "lon", "panoid"]
        per_place: dict[str, int] = {}
        for row in rows:
            assert row["city_id"] == table.stem
            numbers = (f"{int(row['place_id']):07d}", f"{int(row['year']):04d}", f"{int(row['month']):02d}")
            name = "_".join((row["city_id"], *numbers, f"{int(row['northdeg']):03d}", row["lat"], row["lon"]))
            listed.add(f"{table.stem}/{name}_{row['panoid']}.jpg")
            per_place[row["place_id"]] = per_place.get(row["place_id"], 0) + 1
        assert min(per_place.values()) >= 4
    found = {f"{path.parent.name}/{path.name}" for path in (root / "Images").rglob("*.jpg")}
    assert found == listed


def test_gsv_cities_lie_far_apart(roots: dict[str, Path]) -> None:
    spots = [_table(path)[0] for path in sorted((roots["gsv"] / "Dataframes").glob("*.csv"))]
    places = [(float(row["lat"]), float(row["lon"])) for row in spots]
    assert all(math.dist(a, b) > 1 for n, a in enumerate(places) for b in places[:n])


def test_msls_tables_match_the_images(roots: dict[str, Path]) -> None:
    root = roots["msls"]
    folders = sorted(path.parent for path in root.rglob("images"))
    names = {str(path.relative_to(root)) for path in folders}
    cities = ("train_val/cph", "train_val/sf", "train_val/trondheim", "test/miami")
    assert names == {f"{city}/{role}" for city in cities for role in ("query", "database")}
    for folder in folders:
        tables = sorted(path.name for path in folder.glob("*.csv"))
        full = ["postprocessed.csv", "raw.csv", "seq_info.csv", "subtask_index.csv"]
        assert tables == (full[2:] if "test/" in str(folder) else full)
        keys = {path.stem for path in (folder / "images").iterdir()}
        for name in tables:
            rows = _table(folder / name)
            assert [row[""] for row in rows] == [str(n) for n in range(len(rows))]
            assert {row["key"] for row in rows} == keys


def test_msls_sequences_are_consecutive_and_flags_are_set(roots: dict[str, Path]) -> None:
    night, directions, panoramas = set(), set(), set()
    for path in roots["msls"].rglob("seq_info.csv"):
        frames: dict[str, list[int]] = {}
        for row in _table(path):
            frames.setdefault(row["sequence_key"], []).append(int(row["frame_number"]))
        assert all(np.diff(numbers).tolist() == [1] * (len(numbers) - 1) for numbers in frames.values())
        if (path.parent / "raw.csv").is_file():
            post, raw = _table(path.parent / "postprocessed.csv"), _table(path.parent / "raw.csv")
            night |= {row["night"] for row in post}
            directions |= {row["view_direction"] for row in post}
            panoramas |= {row["pano"] for row in raw}
            assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", row["captured_at"]) for row in raw)
    assert night == {"True", "False"} and panoramas == {"True", "False"}
    assert "Forward" in directions and "Sideways" in directions


def test_msls_queries_have_positives(roots: dict[str, Path]) -> None:
    for city in ("cph", "sf", "trondheim"):
        spots = {}
        for role in ("query", "database"):
            rows = _table(roots["msls"] / "train_val" / city / role / "postprocessed.csv")
            spots[role] = np.array([(float(row["easting"]), float(row["northing"])) for row in rows])
        gaps = np.linalg.norm(spots["query"][:, None] - spots["database"][None], axis=2)
        assert (gaps.min(axis=1) <= 25).all()


def test_sfxl_has_panoramas_crops_and_path_lists(tmp_path: Path) -> None:
    make_city(tmp_path, places=5, views=4, seed=2, layouts=("sfxl",), workers=1)
    listed = (tmp_path / "all_images_paths.txt").read_text().splitlines()
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.jpg")) == listed
    folders = ["raw/train/panoramas"] + [f"processed/{s}/{r}" for s in ("val", "test") for r in ("database", "queries")]
    for folder in folders:
        below = Path(f"{tmp_path / folder}_images_paths.txt").read_text().splitlines()
        assert below and all((tmp_path / folder / name).is_file() for name in below)
    for path in tmp_path.rglob("*.jpg"):
        fields = path.name.split("@")
        with Image.open(path) as image:
            assert image.size == ((WIDTH, HEIGHT) if path.parent.name == "panoramas" else (HEIGHT, HEIGHT))
        assert (fields[3], fields[4], len(fields[9])) == ("10", "S", 3)
        assert re.fullmatch(r"\d{6}(\d\d)?", fields[13])
    crops = open_benchmark(tmp_path)
    assert crops.positives.counts.any() and np.isfinite(crops.database.heading).all()


def test_the_published_crop_formula_shows_the_facade_it_is_aimed_at() -> None:
    """Crops of a panorama towards a house equal a crop rendered in that direction, and only for compass headings."""
    options = CityOptions(places=5, views=4, seed=4)
    frame = next(frame for frame in SfxlLayout().plan(options) if "panoramas" in frame.path)
    city, site = City(4, 5), site_of(4, 37.7706, -122.4248)
    photo = take_photo(city, frame.shot, frame.source.anchor, frame.source.rotation)
    face = next(s for s in photo.view.seen if isinstance(s.thing, Face) and s.thing.side == "front" and s.share > 0.02)
    quads = photo.view.around.quads
    number = photo.view.around.faces.index(face.thing)  # type: ignore[arg-type]
    middle = (quads.left[number] + quads.right[number]) / 2
    focal = site.locate(float(middle[0]), float(middle[1]))
    fields = frame.path.split("/")[-1].split("@")
    east, north, heading = float(fields[1]), float(fields[2]), float(fields[9])

    bearing = math.degrees(math.atan2(focal.east - east, focal.north - north))
    left = column_of(heading, east, north, focal.east, focal.north)
    centre = (left + HEIGHT // 2) % WIDTH
    turn = float(photo.view.camera.turn[centre]) - site.rotation  # compass direction of the crop's middle column
    assert abs((turn - bearing + 180) % 360 - 180) < 0.3

    ray = photo.view.camera.directions[:, centre]
    a, b = quads.left[number] - (frame.shot.x, frame.shot.y), quads.right[number] - (frame.shot.x, frame.shot.y)
    assert ray[0] * a[1] - ray[1] * a[0] > 0 > ray[0] * b[1] - ray[1] * b[0]  # between the ends of the facade

    mirrored = column_of(-heading % 360, east, north, focal.east, focal.north)
    assert abs((mirrored - left + WIDTH / 2) % WIDTH - WIDTH / 2) > 40


def test_crops_start_at_their_heading() -> None:
    options = CityOptions(places=5, views=4, seed=4)
    frame = next(frame for frame in SfxlLayout().plan(options) if "processed" in frame.path)
    photo = take_photo(City(4, 5), frame.shot, frame.source.anchor, frame.source.rotation)
    first = float(photo.view.camera.turn[0]) - frame.source.rotation
    assert abs((first - frame.heading + 180) % 360 - 180) < 0.2
    assert f"@{int(frame.heading):03d}@" in frame.path
