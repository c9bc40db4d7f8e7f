"""`vpr confidence`, `vpr map calibrate` and rejecting, from the command line."""

import json

import pytest

from tests.cli.test_cli import ok, refused, vpr
from tests.conftest import write_set
from tests.evaluation.answers import answers
from vprkit.data.layouts.exif import read_gps


@pytest.fixture(scope="module")
def town(tmp_path_factory, hog):
    """Photos, evaluations of `hog` with answers of known confidence, a map and a calibration."""
    folder = tmp_path_factory.mktemp("town")
    write_set(folder / "set", places=12, spacing=12.0, notes=("night",))
    for seed in (1, 2):
        answers(700, seed=seed, identity=hog.identity()).save(folder / f"{seed}.json")
    ok("map", "build", folder / "set" / "database", "--out", folder / "town.map", "-q")
    ok("confidence", "fit", folder / "1.json", "--out", folder / "sure.json")
    return folder


def test_fitting_tells_how_good_it_is(town, tmp_path):
    out = ok("confidence", "fit", town / "1.json", town / "2.json", "--out", tmp_path / "c.json")
    assert "hog on town 1 (700 queries), town 2 (700 queries)" in out and "calibration error 0.0" in out
    assert "exists already" in refused("confidence", "fit", town / "1.json", "--out", tmp_path / "c.json")


def test_checking_prints_what_it_is_worth(town):
    out = ok("confidence", "check", town / "sure.json", town / "2.json")
    assert "700 answers" in out and "equal-mass bins" in out and "for 90 % right: accept from confidence" in out
    assert "note:" not in out
    assert "nothing here is a test of it" in ok("confidence", "check", town / "sure.json", town / "1.json")
    told = json.loads(ok("confidence", "check", town / "sure.json", town / "2.json", "--bins", 5, "--json"))
    assert told["ece"] < 0.08 and len(told["bins"]) == 5 and told["seen_in_fit"] is False
    seen = json.loads(ok("confidence", "check", town / "sure.json", town / "1.json", "--json"))
    assert seen["seen_in_fit"] is True and "no test" not in " ".join(told["cautions"])
    assert [level["wanted"] for level in told["levels"]] == [0.9, 0.95, 0.99]


def test_few_answers_make_few_bins_and_a_note(town, tmp_path, hog):
    answers(60, seed=2, identity=hog.identity()).save(tmp_path / "few.json")
    out = ok("confidence", "check", town / "sure.json", tmp_path / "few.json")
    assert "too few to judge a calibration by (60)" in out and "in 6 equal-mass bins" in out


def test_what_is_no_result_is_named(town, tmp_path):
    (tmp_path / "x.csv").write_text("a,b")
    (tmp_path / "city.json").write_text('{"places": 4}')
    for arguments, why in (
        (
            ("confidence", "fit", tmp_path / "x.csv"),
            "x.csv: not a result that `vpr evaluate --save` wrote (it is no JSON)",
        ),
        (("report", tmp_path), "city.json: not a result that `vpr evaluate --save` wrote (it is something else)"),
        (("report", tmp_path / "city.json"), "(it is something else)"),
        (("report", town / "set"), "set: holds no results; write some with `vpr evaluate --save"),
        (("export", "pairs", tmp_path / "city.json"), "nor what `vpr locate --format json` wrote"),
    ):
        said = refused(*arguments, "--out", tmp_path / "out.html")
        assert why in said and "Expecting" not in said and "'format'" not in said


def test_a_calibrated_map_says_how_sure_it_is_and_rejects(town, tmp_path):
    queries = town / "set" / "queries"
    assert "no calibration" in refused("locate", town / "town.map", queries, "--reject", 0.5)
    assert "hog on town 1" in ok("map", "calibrate", town / "town.map", town / "sure.json")
    said = refused("map", "calibrate", town / "town.map", town / "sure.json")
    assert "town.map has a calibration already (hog on town 1 (700 queries)" in said and "--overwrite replaces" in said
    ok("map", "calibrate", town / "town.map", town / "sure.json", "--overwrite")
    assert "calibration" in ok("map", "info", town / "town.map")
    sure = [place["confidence"] for place in json.loads(ok("locate", town / "town.map", queries, "--json"))]
    assert all(0 < value < 1 for value in sure)
    least = sorted(sure)[6]
    told = json.loads(ok("locate", town / "town.map", queries, "--json", "--reject", least))
    assert [place["known"] for place in told] == [value >= least for value in sure]
    assert ok("locate", town / "town.map", queries, "--reject", least).count("I do not know this place") == 6
    ok("locate", town / "town.map", queries, "--reject", least, "--out", tmp_path / "where.gpx")
    assert (tmp_path / "where.gpx").read_text().count("not known") == 6
    assert "from 0 to 1" in refused("locate", town / "town.map", queries, "--reject", 50)


def test_why_there_is_no_confidence_is_said_once(town, tmp_path):
    ok("map", "build", town / "set" / "database", "--out", tmp_path / "few.map", "-q")
    ok("map", "calibrate", tmp_path / "few.map", town / "sure.json")
    ok("map", "remove", tmp_path / "few.map", "*d1@*", "*d2@*", "*d3@*")
    done = vpr("locate", tmp_path / "few.map", town / "set" / "queries")
    assert done.stderr.count("note: answers have no confidence: the calibration looks at 10 hits") == 1
    assert "confidence" not in done.stdout


def test_what_is_no_calibration_is_refused(town, tmp_path):
    assert "not a calibration" in refused("map", "calibrate", town / "town.map", town / "1.json")
    assert "no such file" in refused("confidence", "check", tmp_path / "none.json", town / "1.json")


def test_copies_with_positions(town, tmp_path):
    queries = town / "set" / "queries"
    done = vpr("locate", town / "town.map", queries, "--gps-copies", tmp_path / "copies", "--out", tmp_path / "w.csv")
    assert done.returncode == 0 and "12 copies with a GPS position" in done.stderr and "without" not in done.stderr
    copies = sorted((tmp_path / "copies").iterdir())
    assert [copy.name for copy in copies] == sorted(path.name for path in queries.iterdir())
    assert "latitude" in read_gps(copies[0])
    again = vpr("locate", town / "town.map", tmp_path / "copies", "--gps-copies", tmp_path / "more")
    assert "0 copies" in again.stderr and "12 photos without a copy" in again.stderr
    assert "a GPS position already" in again.stderr
    assert "exists already" in refused("locate", town / "town.map", queries, "--gps-copies", tmp_path / "copies")
    assert "with --gps-copies" in refused("locate", town / "town.map", queries, "--overwrite-gps")
