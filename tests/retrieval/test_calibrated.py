"""Maps that say how sure they are."""

import json
from xml.etree import ElementTree

import pytest

from tests.conftest import write_set
from vprkit.data.benchmark import open_benchmark
from vprkit.errors import ConfigError, NotAvailable, StoreError, VprError
from vprkit.evaluation.confidence import judged
from vprkit.evaluation.evaluate import evaluate
from vprkit.evaluation.two_stage import Second
from vprkit.loading import load_method
from vprkit.retrieval.confidence import Confidence, Fitted
from vprkit.retrieval.export import FORMATS
from vprkit.retrieval.logistic import Logistic
from vprkit.retrieval.map import Map

MODEL = Logistic((0.9, 0.02, 1.0, 0.05, 0.1, 0.1), (0.02, 0.02, 1.0, 0.05, 0.1, 0.1), (1, 1, 0.3, 1, 0.2, 0.2), -9.5)
FITTED = Fitted("town", "within 25 m", 900, {})


def calibration(method, stage=None, depth=6, **changes):
    return Confidence(method.identity(), stage, "photo", depth, (FITTED,), MODEL, **changes)


@pytest.fixture(scope="module")
def town(tmp_path_factory, hog):
    """Ten places, some so near that hits agree; one photo of each."""
    root = write_set(tmp_path_factory.mktemp("town") / "set", places=10, spacing=11.0, notes=("night",))
    return root, Map.build(root / "database", hog, root.parent / "town.map")


@pytest.fixture
def calibrated(town, hog):
    root, place_map = town
    place_map.calibrate(calibration(hog), overwrite=True)
    return root, place_map


def test_a_location_is_as_sure_as_the_same_answer_of_an_evaluation(calibrated, hog):
    root, place_map = calibrated
    result = evaluate(hog, open_benchmark(root))
    expected = judged(calibration(hog), result)
    photos = [root / row.name for row in result.rankings]
    for located in (place_map.locate_many(photos, top=2), place_map.locate_many(photos, top=1, distinct_metres=30)):
        assert [place.confidence for place in located] == pytest.approx(expected.tolist(), abs=1e-9)
    assert expected.max() - expected.min() > 0.05


def test_a_calibration_stays_in_the_map(calibrated, hog):
    root, place_map = calibrated
    photo = next((root / "queries").iterdir())
    assert Map.open(place_map.folder).locate(photo).confidence == place_map.locate(photo).confidence
    assert place_map.info()["calibration"] == "hog on town (900 queries), answers without re-ranking"
    with pytest.raises(VprError, match="has a calibration already .hog on town .900 queries"):
        place_map.calibrate(calibration(hog))


def test_unsure_answers_are_rejected(calibrated):
    root, place_map = calibrated
    photos = sorted((root / "queries").iterdir())
    sure = [place.confidence for place in place_map.locate_many(photos)]
    least = sorted(sure)[4]
    known = [place.known for place in place_map.locate_many(photos, reject=least)]
    assert known == [value >= least for value in sure] and 0 < sum(known) < len(known)
    assert place_map.locate(photos[0], reject=0.0).known and not place_map.locate(photos[0], reject=1.0).known
    with pytest.raises(ConfigError, match="from 0 to 1, got 1.5"):
        place_map.locate(photos[0], reject=1.5)


def test_a_second_stage_that_is_missing_is_said(calibrated):
    root, place_map = calibrated
    with pytest.raises(NotAvailable, match="method 'hog' has no second stage; leave rerank out"):
        place_map.locate(next((root / "queries").iterdir()), rerank=5, reject=0.5)


def test_every_format_marks_what_is_not_known(calibrated):
    root, place_map = calibrated
    located = [place_map.locate(next((root / "queries").iterdir()), reject=1.0)]
    assert "I do not know this place (confidence 0." in FORMATS["table"](located)
    assert json.loads(FORMATS["json"](located))[0]["known"] is False
    assert FORMATS["csv"](located).splitlines()[1].endswith(",false")
    features = json.loads(FORMATS["geojson"](located))["features"]
    assert {feature["properties"]["known"] for feature in features} == {False}
    kml = ElementTree.fromstring(FORMATS["kml"](located))
    folder = kml[0].find("{*}Folder/{*}description")
    assert folder is not None and "I do not know" in folder.text
    gpx = ElementTree.fromstring(FORMATS["gpx"](located))
    assert gpx.find("{*}wpt/{*}type").text == "not known" and "I do not know" in gpx.find("{*}wpt/{*}desc").text


def test_waypoints_are_where_photos_are_estimated_to_be(calibrated):
    root, place_map = calibrated
    photos = sorted((root / "queries").iterdir())
    located = place_map.locate_many(photos)
    points = ElementTree.fromstring(FORMATS["gpx"](located))
    assert points.tag == "{http://www.topografix.com/GPX/1/1}gpx" and points.get("version") == "1.1"
    for point, place, photo in zip(points, located, photos, strict=True):
        assert float(point.get("lat")) == pytest.approx(place.estimate.latitude, abs=1e-7)
        assert float(point.get("lon")) == pytest.approx(place.estimate.longitude, abs=1e-7)
        assert [part.tag.split("}")[1] for part in point] == ["name", "desc", "src", "type"]  # the schema's order
        assert point[0].text == photo.name


def test_maps_without_a_calibration_are_not_sure(town, photo_set, hog, tmp_path):
    plain = Map.build(photo_set / "database", hog, tmp_path / "plain.map")
    photo = next((photo_set / "queries").iterdir())
    assert plain.locate(photo).confidence is None and plain.locate(photo).known is None
    with pytest.raises(NotAvailable, match="no calibration; make one with"):
        plain.locate(photo, reject=0.5)
    plain.calibrate(calibration(hog, depth=10))
    assert "looks at 10 hits, and the map holds 8 images" in plain.why_unsure()
    assert plain.locate(photo).confidence is None


def test_calibrations_of_other_methods_are_refused(calibrated, thumbnail, hog):
    _, place_map = calibrated
    with pytest.raises(StoreError, match="answered by hog, but the calibration is for answers of thumbnail"):
        place_map.calibrate(calibration(thumbnail), overwrite=True)
    other = load_method("hog", device="cpu", resize="48")
    with pytest.raises(StoreError, match="with another preprocessing"):
        place_map.calibrate(calibration(other), overwrite=True)


def test_a_calibration_that_was_copied_from_another_map_is_refused(calibrated, thumbnail, hog):
    root, place_map = calibrated
    calibration(thumbnail).save(place_map.folder / "confidence.json", overwrite=True)
    with pytest.raises(StoreError, match="answered by hog, but the calibration is for answers of thumbnail"):
        Map.open(place_map.folder).locate(next((root / "queries").iterdir()))
    place_map.calibrate(calibration(hog), overwrite=True)


def test_a_damaged_calibration_is_told(calibrated, hog):
    root, place_map = calibrated
    (place_map.folder / "confidence.json").write_text("{")
    again = Map.open(place_map.folder)
    with pytest.raises(StoreError, match="Calibrate the map again, or delete this file"):
        again.locate(next((root / "queries").iterdir()))
    assert any("confidence.json" in problem for problem in again.check())
    place_map.calibrate(calibration(hog), overwrite=True)
    assert again.check() == []


def test_a_second_stage_needs_a_calibration_of_its_own(town, tmp_path):
    root, _ = town
    method = load_method("selavpr", "random:3", size="S", depth=1, table_size=56, local_mid_channels=16,
                         local_channels=8, resize=56, device="cpu")  # fmt: skip
    place_map = Map.build(root / "database", method, tmp_path / "two.map", local="float32")
    photo = next((root / "queries").iterdir())
    result = evaluate(method, open_benchmark(root), rerank=Second(8, dtype="float32"))
    stage = {key: value for key, value in result.second_stage.items() if key not in ("source", "dtype", "ties")}
    place_map.calibrate(calibration(method, stage))
    assert place_map.locate(photo).confidence is None
    assert place_map.locate(photo, rerank=7).confidence is None
    assert "without re-ranking" in place_map.why_unsure() and "7 candidates" in place_map.why_unsure(rerank=7)
    place_map.calibrate(calibration(method, {**stage, "count": len(place_map)}), overwrite=True)
    assert place_map.why_unsure(rerank=500) is None  # no more candidates than photos
    place_map.calibrate(calibration(method, stage), overwrite=True)
    reranked = place_map.locate(root / result.rankings[0].name, rerank=8)
    assert reranked.confidence == pytest.approx(judged(calibration(method, stage), result)[0], abs=1e-5)
