import dataclasses
import json
import math
import shutil
import xml.etree.ElementTree as ElementTree
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import at_name, picture, real_set, write_set
from vprkit.data.records import Records
from vprkit.errors import ConfigError, ImageError, StoreError, VprError
from vprkit.loading import load_method
from vprkit.method import Method
from vprkit.retrieval.describe import Streaming
from vprkit.retrieval.export import FORMATS, to_csv, to_geojson, to_kml
from vprkit.retrieval.fast import FastIndex
from vprkit.retrieval.index import ExactIndex
from vprkit.retrieval.location import Hit, distinct_rows, estimate_position
from vprkit.retrieval.map import Map


@pytest.fixture
def city(photo_set, hog, tmp_path):
    return Map.build(photo_set / "database", hog, tmp_path / "city.map")


def query(photo_set, place):
    return sorted((photo_set / "queries").glob(f"*q{place}_0*"))[0]


def test_a_photo_is_located(city, photo_set):
    location = city.locate(query(photo_set, 3), top=4)
    assert [hit.rank for hit in location] == [1, 2, 3, 4]
    assert "@d3@" in location[0].name
    assert location[0].score > location[1].score
    assert (location[0].east, location[0].zone) == (400_150.0, 32)
    assert location[0].latitude == pytest.approx(45.147, abs=0.01)
    assert location.estimate is not None and location.estimate.hits >= 1


def test_arrays_and_pil_images_are_located_too(city, photo_set):
    path = query(photo_set, 2)
    image = Image.open(path)
    for photo in (path, str(path), image, np.asarray(image)):
        assert "@d2@" in city.locate(photo)[0].name


def test_a_map_opens_without_being_told_the_method(city, photo_set):
    again = Map.open(city.folder)
    assert [hit.name for hit in again.locate(query(photo_set, 5))] == [
        hit.name for hit in city.locate(query(photo_set, 5))
    ]
    assert again.info()["images"] == 8


def test_photos_of_a_map_are_turned_as_when_it_was_built(photo_set, tmp_path, hog):
    turning = load_method("hog", preprocessing=dataclasses.replace(hog.preprocessing, exif_orientation=True))
    Map.build(photo_set / "database", turning, tmp_path / "turned.map")
    again = Map.open(tmp_path / "turned.map", method=hog)
    assert again.method.preprocessing.exif_orientation and not hog.preprocessing.exif_orientation
    with pytest.raises(StoreError, match=r"preprocessing.exif_orientation: true here, false asked"):
        Map.build(photo_set / "database", hog, tmp_path / "turned.map")


def test_a_map_with_random_vit_weights_reopens(photo_set, tmp_path):
    method = load_method("dinov2-vits14", weights="random", seed=5, depth=1, resize="28", device="cpu")
    built = Map.build(photo_set / "database", method, tmp_path / "vit.map")
    again = Map.open(tmp_path / "vit.map", device="cpu")
    assert again.method.identity() == method.identity()
    assert again.locate(query(photo_set, 1))[0] == built.locate(query(photo_set, 1))[0]


def test_a_map_of_ones_own_network_wants_it_back(photo_set, tmp_path):
    class Mean(torch.nn.Module):
        def forward(self, images):
            return images.mean(3).flatten(1)

    own = Method.from_module(Mean(), metric="l2", device="cpu")
    Map.build(photo_set / "database", own, tmp_path / "own.map")
    with pytest.raises(StoreError, match=r"'mean'.*Map.open\(path, method=...\)"):
        Map.open(tmp_path / "own.map")
    assert "@d4@" in Map.open(tmp_path / "own.map", method=own).locate(query(photo_set, 4))[0].name
    with pytest.raises(StoreError, match="features of 'mean', asked for 'hog'"):
        Map.open(tmp_path / "own.map", method=load_method("hog"))


@pytest.mark.parametrize("other", ["kind", "setting", "forward"])
def test_networks_without_weights_are_told_apart(other, photo_set, tmp_path):
    class Power(torch.nn.Module):
        def __init__(self, exponent):
            super().__init__()
            self.exponent = exponent

        def forward(self, images):
            return (images**self.exponent).mean(3).flatten(1)

    def changed():
        class Power(torch.nn.Module):
            def __init__(self, exponent):
                super().__init__()
                self.exponent = exponent

            def forward(self, images):
                return images.amax(3).flatten(1)

        return Power

    pooled = torch.nn.Sequential
    first, second = {
        "kind": (
            pooled(torch.nn.AvgPool2d(28), torch.nn.Flatten()),
            pooled(torch.nn.MaxPool2d(28), torch.nn.Flatten()),
        ),
        "setting": (Power(1), Power(2)),
        "forward": (Power(1), changed()(1)),
    }[other]
    own, another = (Method.from_module(network, metric="l2", device="cpu") for network in (first, second))
    assert Method.from_module(first, metric="l2", device="cpu").identity() == own.identity() != another.identity()
    Map.build(photo_set / "database", own, tmp_path / "own.map")
    with pytest.raises(StoreError, match="features of '.*"):
        Map.open(tmp_path / "own.map", method=another)


def test_a_map_of_two_folders_is_checked(city, photo_set, tmp_path):
    further = tmp_path / "further"
    further.mkdir()
    Image.fromarray(picture(70)).save(further / at_name(402_000, 5e6, name="b"))
    city.add(further)
    assert city.check() == []
    changed = photo_set / "database" / city.store.names[2]
    Image.fromarray(picture(71)).save(changed)
    assert [problem.split(",")[0] for problem in city.check()] == [f"1 of {len(city)} photos has changed since"]


def test_building_again_describes_only_what_is_new(city, photo_set, hog, monkeypatch):
    Image.fromarray(picture(50)).save(photo_set / "database" / at_name(401_000, 5e6, name="new"))
    described = []
    original = Method.describe_batch
    monkeypatch.setattr(
        Method, "describe_batch", lambda self, batch: described.append(len(batch)) or original(self, batch)
    )
    again = Map.build(photo_set / "database", hog, city.folder)
    assert sum(described) == 1 and len(again) == 9
    assert [block.stop for block in again.store.blocks] == [8, 9]


def test_adding_from_another_folder_keeps_equal_names_apart(city, tmp_path):
    other = write_set(tmp_path / "other", places=2, notes=("day",))
    assert city.add(other / "database") == 2
    assert city.add(other / "database") == 0
    assert len(city) == 10
    again = Map.open(city.folder)
    assert len(again) == 10
    assert all(again.records[row].path.is_file() for row in range(10))


def test_removed_images_never_come_back_in_answers(city, photo_set):
    best = city.locate(query(photo_set, 3))[0]
    assert city.remove([best.name]) == 1
    for opened in (city, Map.open(city.folder)):
        assert best.name not in [hit.name for hit in opened.locate(query(photo_set, 3), top=20)]
        assert len(opened) == 7 and opened.info()["removed"] == 1
    with pytest.raises(VprError, match="'nobody.jpg' fits no image"):
        city.remove(["nobody.jpg"])
    assert city.remove(["*"]) == 7
    with pytest.raises(VprError, match="holds no images"):
        city.locate(query(photo_set, 3))
    assert best.path.is_file()


def test_most_images_removed_and_still_enough_answers(city, photo_set):
    names = list(city.records.names)
    city.remove(names[:6])
    assert sorted(hit.name for hit in city.locate(query(photo_set, 0), top=2)) == names[6:]


def test_removed_images_come_back_only_when_added(city, photo_set, hog):
    name = city.records.names[3]
    city.remove([name])
    assert len(Map.build(photo_set / "database", hog, city.folder)) == 7
    assert city.add(photo_set / "database") == 1
    assert len(city) == 8 and Map.open(city.folder).info()["removed"] == 0


def test_two_openings_do_not_lose_each_others_removals(city):
    other = Map.open(city.folder)
    city.remove([city.records.names[0]])
    other.remove([other.records.names[1]])
    assert len(Map.open(city.folder)) == 6


def test_a_failed_first_build_does_not_stand_in_the_way(tmp_path, photo_set, hog, thumbnail):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_bytes(b"x")
    with pytest.raises(StoreError, match="none of the 1 images could be read"):
        Map.build(tmp_path / "bad", hog, tmp_path / "m")
    (tmp_path / "m" / ".map.json.4711.tmp").write_text("{")
    Map.build(photo_set / "database", thumbnail, tmp_path / "m")
    assert Map.open(tmp_path / "m").method.name == "thumbnail"
    (tmp_path / "n").mkdir()
    (tmp_path / "n" / ".map.json.4711.tmp").write_text("{")
    assert len(Map.build(photo_set / "database", thumbnail, tmp_path / "n")) == 8


def test_damaged_settings_are_said(city):
    for content in ("null", "{}", '{"format": 1, "index": "exact", "method": {}, "vprkit": "0"}'):
        (city.folder / "map.json").write_text(content)
        with pytest.raises(StoreError, match="map.json cannot be read"):
            Map.open(city.folder)


def test_a_removed_photo_stays_removed_though_building_is_interrupted(city, photo_set, hog):
    """Its photo has changed, and whoever described the change did not come to say that the new row is removed."""
    name = city.records.names[0]
    city.remove([name])
    Image.fromarray(picture(77, (90, 90))).save(city.records.path(0))

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Map.build(photo_set / "database", hog, city.folder, progress=stop)
    again = Map.build(photo_set / "database", hog, city.folder)
    assert len(again.store) > 8 and len(again) == 7 and again.info()["removed"] == 1
    assert name not in {hit.name for hit in again.locate(query(photo_set, 0), top=8)}
    assert again.add(photo_set / "database") == 1 and len(again) == 8
    assert len(Map.build(photo_set / "database", hog, city.folder)) == 8  # and it stays back


def test_damaged_removals_are_said(city):
    (city.folder / "removed.json").write_text("null")
    with pytest.raises(StoreError, match="removed.json cannot be read"):
        len(city)


def test_a_photo_that_cannot_be_read_fails_or_is_told(city, photo_set):
    bad = photo_set / "bad.jpg"
    bad.write_bytes(b"x")
    good = query(photo_set, 1)
    with pytest.raises(ImageError, match=r"bad.jpg"):
        city.locate_many([good, bad])
    answers = city.locate_many([bad, good], streaming=Streaming(on_error="skip"))
    assert "bad.jpg" in answers[0].error and len(answers[0]) == 0
    assert "@d1@" in answers[1][0].name


def test_a_photo_without_utm_still_has_a_place(tmp_path, hog):
    for number in range(3):
        Image.fromarray(picture(number)).save(tmp_path / f"{number}.png")
    (tmp_path / "p.csv").write_text("path,lat,lon\n0.png,86,10\n1.png,86,10.0001\n2.png,-85,3\n")
    built = Map.build(tmp_path / "p.csv", hog, tmp_path / "m")
    located = built.locate(tmp_path / "0.png", top=3, distinct_metres=100)
    assert located.estimate.latitude == 86.0
    assert [hit.name for hit in located] == ["0.png", "2.png"]


def test_check_finds_moved_changed_and_damaged(city):
    assert city.check() == []
    first, second = (city.records.path(row) for row in (0, 1))
    first.rename(first.with_suffix(".moved"))
    Image.fromarray(picture(77, (90, 90))).save(second)
    problems = " ".join(Map.open(city.folder).check())
    assert "1 of 8 photos is no longer where it was" in problems
    assert "1 of 8 photos has changed since" in problems
    store = city.folder / "store" / "latitude.bin"
    store.write_bytes(b"x" * store.stat().st_size)
    assert any("latitude.bin" in problem for problem in Map.open(city.folder).check())


def test_a_folder_that_is_no_map_is_left_alone(photo_set, hog, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years")
    with pytest.raises(VprError, match="exists and is no map"):
        Map.build(photo_set / "database", hog, tmp_path / "precious")
    with pytest.raises(StoreError, match="there is no map here"):
        Map.open(tmp_path / "precious")
    with pytest.raises(ConfigError, match="index 'quick'"):
        Map.build(photo_set / "database", hog, tmp_path / "m", index="quick")


def test_bad_photos_are_skipped_and_listed(photo_set, hog, tmp_path):
    (photo_set / "database" / at_name(400_001, 5e6, name="bad")).write_bytes(b"no")
    built = Map.build(photo_set / "database", hog, tmp_path / "m")
    assert len(built) == 8
    assert "@bad@" in built.info()["skipped"][0]["path"]


def test_a_photo_that_has_become_unreadable_is_listed_and_answers_as_before(photo_set, hog, tmp_path):
    build = partial(Map.build, photo_set / "database", hog, tmp_path / "m")
    built = build()
    path = built.records.path(0)
    whole = path.read_bytes()
    path.write_bytes(b"no")
    built = build()
    assert len(built) == 8
    (entry,) = built.info()["skipped"]
    assert entry["path"] == str(path.resolve()) and entry["why"].endswith("; kept as it was described before")
    assert next(iter(built.locate(whole, top=1))).name == built.records.names[0]
    built.remove([built.records.names[0]])
    assert "kept" not in built.info()["skipped"][0]["why"]  # it answers no more


@pytest.fixture
def fast(tmp_path, hog, monkeypatch):
    monkeypatch.setattr("vprkit.retrieval.fast.MIN_ROWS", 32)
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(40):
        Image.fromarray(picture(number)).save(folder / f"{number}.png")
    return Map.build(folder, hog, tmp_path / "m", index="fast")


def test_a_fast_map_grows_with_its_photos(fast, tmp_path, hog):
    folder = tmp_path / "photos"
    assert fast.info()["fast_index"]["recall_at_10"] > 0.5
    assert fast.locate(folder / "7.png")[0].name == "7.png"
    Image.fromarray(picture(60)).save(folder / "60.png")
    fast.add(folder)
    again = Map.open(tmp_path / "m")
    assert isinstance(again.index, FastIndex) and again.index.report.trained == 40 and len(again.index) == 41
    assert again.locate(folder / "60.png")[0].name == "60.png"
    assert isinstance(Map.build(folder, hog, tmp_path / "m").index, FastIndex)  # what it is stays unless asked
    for number in range(100, 150):
        Image.fromarray(picture(number)).save(folder / f"{number}.png")
    fast.add(folder)
    assert fast.index.report.trained == 91
    assert isinstance(Map.build(folder, hog, tmp_path / "m", index="exact").index, ExactIndex)


def test_an_index_of_another_store_is_not_used(fast, tmp_path, hog):
    shutil.rmtree(tmp_path / "m" / "store")
    for path in (tmp_path / "photos").iterdir():
        Image.fromarray(picture(500 + int(path.stem))).save(path)
    again = Map.build(tmp_path / "photos", hog, tmp_path / "m")
    assert all(again.locate(path)[0].name == path.name for path in (tmp_path / "photos").iterdir())


def test_too_few_photos_for_a_fast_index_are_refused_before_work(photo_set, hog, tmp_path):
    with pytest.raises(ConfigError, match="at least 1000 images, there are 8"):
        Map.build(photo_set / "database", hog, tmp_path / "m", index="fast")
    assert not (tmp_path / "m").exists()


def hit(rank, east, score=0.9, zone=32, latitude=45.0, **more):
    return Hit(
        rank, f"{rank}.jpg", Path(f"{rank}.jpg"), score, latitude, 9.0, east, 5e6, zone, False, None, rank, **more
    )


def table(*easts):
    return Records.from_rows("/", [{"name": f"{e}", "east": e, "north": 5e6, "zone": 32} for e in easts])


def test_distinct_hits_are_places_not_views():
    records = table(500_000.0, 500_010.0, 500_100.0, 500_105.0, 500_300.0)
    assert distinct_rows(records, 25, 2).tolist() == [0, 2]
    assert distinct_rows(records, 25, 9).tolist() == [0, 2, 4]
    unplaced = Records.from_rows("/", [{"name": "a"}, {"name": "b"}])
    assert distinct_rows(unplaced, 25, 5).tolist() == [0, 1]


def test_distinct_goes_on_until_there_are_enough(tmp_path, hog):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(150):  # 148 views of one spot, two elsewhere
        east = 400_000.0 if number < 148 else 400_000.0 + 500 * number
        image = picture(1, noise=4.0, noise_seed=number) if number < 148 else picture(number)
        Image.fromarray(image).save(folder / at_name(east, 5e6, name=f"n{number}"))
    built = Map.build(folder, hog, tmp_path / "m")
    found = built.locate(sorted(folder.iterdir())[0], top=3, distinct_metres=25)
    assert len(found) == 3 and len({h.east for h in found}) == 3


def test_the_estimate_weighs_by_descriptor_distance_and_leaves_out_other_places():
    hits = [hit(1, 500_000.0, 0.98), hit(2, 500_020.0, 0.92), hit(3, 510_000.0, 0.97)]
    estimate = estimate_position(hits, "ip")
    near, far = 2 - 2 * 0.98, 2 - 2 * 0.92  # squared descriptor distances
    east = (500_000 / near + 500_020 / far) / (1 / near + 1 / far)
    metres_per_degree = math.pi / 180 * 6_378_137 * math.cos(math.radians(45.15)) * 0.9996
    assert estimate.hits == 2
    assert (estimate.longitude - 9.0) * metres_per_degree == pytest.approx(east - 500_000, abs=0.1)
    assert estimate_position([hit(1, 1.0, latitude=None)], "ip") is None


def test_every_format_is_what_it_says(city, photo_set):
    located = city.locate_many([query(photo_set, 1), query(photo_set, 2)], top=2)
    assert len(to_csv(located).splitlines()) == 5
    features = json.loads(to_geojson(located))["features"]
    assert [f["properties"]["kind"] for f in features].count("hit") == 4
    assert features[1]["geometry"]["coordinates"][0] == located[0][0].longitude
    root = ElementTree.fromstring(to_kml(located))
    assert len(root.findall(".//{http://www.opengis.net/kml/2.2}Placemark")) == 6  # two hits and an estimate per photo
    for write in FORMATS.values():
        assert "@d1@" in write(located)


@pytest.mark.parametrize("name", ["toy-sf", "landmarks"])
def test_real_photos_of_mixed_sizes_are_answered(name, tmp_path, hog):
    folder = real_set(name)
    built = Map.build(folder / "database", hog, tmp_path / "m")
    photos = sorted((folder / "queries").iterdir())
    located = built.locate_many(photos, top=3)
    assert [len(location) for location in located] == [3] * len(photos)
