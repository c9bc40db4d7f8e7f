"""Confidence, matches of a second stage and street tiles in the report."""

import dataclasses
import math
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import vprkit
from tests.evaluation.answers import answers
from tests.report.results import result, unlabelled
from tests.report.test_html import Page
from vprkit.data import geo
from vprkit.errors import ConfigError, NotAvailable
from vprkit.evaluation.confidence import fit_confidence, judged, right_answers
from vprkit.evaluation.reliability import reject_curve, reliability
from vprkit.evaluation.two_stage import Second
from vprkit.report.html import write_report
from vprkit.report.matches import match
from vprkit.report.place_map import Plane
from vprkit.report.second_stage import method_of, rescued_rows
from vprkit.report.tiles import MOST, Tiles, from_mercator, mercator, street

ADDRESS = "https://tiles.example.org/{z}/{x}/{y}.png"


@pytest.fixture(scope="module")
def fitted():
    return fit_confidence([answers(800, seed=1)])


def write(tmp_path, *results, **extras) -> Page:
    path = write_report(results, tmp_path / "report.html", overwrite=True, **extras)
    return Page(path.read_text(encoding="utf-8"))


def charts(page_source: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg viewBox.*?</svg>", page_source, re.DOTALL)]


def test_confidence_is_in_the_report_where_a_calibration_is_given(fitted, tmp_path):
    other = answers(900, seed=2)
    page = write(tmp_path, other, confidence=[fitted])
    values, right = judged(fitted, other), right_answers(other)
    found, level = reliability(values, right), reject_curve(values, right).at(0.9)
    for number in (f"{found.ece:.3f}", f"{found.brier:.3f}", f"{level.threshold:.3f}", f"{100 * level.answered:.1f}"):
        assert number in page.text
    assert "Each point stands for 90 answers" in page.text and "no test of it" not in page.text.replace("  ", " ")
    assert "Confidence" not in write(tmp_path, other).text


def test_the_diagram_shows_every_group_with_its_interval(fitted, tmp_path):
    other = answers(900, seed=2)
    write(tmp_path, other, confidence=[fitted])
    drawn = charts((tmp_path / "report.html").read_text())
    diagram = next(svg for svg in drawn if svg.get("aria-label") == "Share right over confidence of each run")
    group = diagram.findall("g")[0]
    found = reliability(judged(fitted, other), right_answers(other))
    points, bars = group.findall("circle"), group.findall("line")
    assert len(points) == len(bars) == len(found.bins) == 10
    for point, bar, one in zip(points, bars, found.bins, strict=True):
        assert float(point.get("cx")) == pytest.approx(46 + one.confidence * 400, abs=0.02)
        assert float(point.get("cy")) == pytest.approx(264 - one.right * 252, abs=0.02)
        assert float(bar.get("y1")) == pytest.approx(264 - one.interval[0] * 252, abs=0.02)
        assert float(bar.get("y2")) == pytest.approx(264 - one.interval[1] * 252, abs=0.02)


def test_the_reject_chart_goes_from_few_answers_to_all(fitted, tmp_path):
    other = answers(900, seed=2)
    write(tmp_path, other, confidence=[fitted])
    drawn = charts((tmp_path / "report.html").read_text())
    chart = next(svg for svg in drawn if svg.get("aria-label") == "Share right over share answered of each run")
    places = [tuple(map(float, place.split(","))) for place in chart.find(".//polyline").get("points").split()]
    across = [x for x, _ in places]
    curve = reject_curve(judged(fitted, other), right_answers(other))
    assert across == sorted(across) and across[-1] == pytest.approx(446, abs=0.1)  # all are answered
    assert places[-1][1] == max(y for _, y in places) and curve.right[-1] == curve.right.min()  # downwards is wrong


def test_what_was_fitted_on_is_no_test_and_other_methods_are_said(fitted, tmp_path):
    page = write(tmp_path, answers(800, seed=1), confidence=[fitted])
    assert "fitted on these very queries, so nothing here is a test of it" in page.text
    other = answers(800, seed=1, method="thumbnail", identity={"method": "thumbnail"})
    page = write(tmp_path, answers(800, seed=2), other, confidence=[fitted])
    assert "the calibration is for answers of hog, not of thumbnail" in page.text
    own = fit_confidence([other])
    page = write(tmp_path, answers(800, seed=2), other, confidence=[fitted, own])
    assert "not of thumbnail" not in page.text and "thumbnail on town 1" in page.text
    assert "not of hog" not in page.text and "hog on town 1" in page.text
    assert "Calibration" not in write(tmp_path, unlabelled(tmp_path), confidence=[fitted]).text


@pytest.fixture(scope="module")
def reranked(shared_set):
    method = vprkit.load_method("selavpr", "random:3", size="S", depth=1, table_size=56, local_mid_channels=16,
                                local_channels=8, resize=56, device="cpu")  # fmt: skip
    run = vprkit.evaluate(method, vprkit.open_benchmark(shared_set), rerank=Second(6, dtype="float32"))
    return dataclasses.replace(run, weights={"path": "random:3", "adapter": ""})


def test_the_first_stage_is_remembered(reranked, shared_set):
    method = method_of(reranked, device="cpu")
    plain = vprkit.evaluate(method, vprkit.open_benchmark(shared_set))
    assert [row.first_answer for row in reranked.rankings] == [row.ranking[0] for row in plain.rankings]
    assert all(row.first_answer is None for row in plain.rankings)
    expected = [
        row.name
        for row, before in zip(reranked.rankings, plain.rankings, strict=True)
        if row.first_hit == 1 and before.first_hit != 1
    ]
    assert [row.name for row in rescued_rows(reranked)] == expected


@pytest.fixture(scope="module")
def altered(reranked):
    """The same with one query that the first stage had wrong, one that it had right, and one that nobody finds."""
    rows = list(reranked.rankings)
    rows[0] = dataclasses.replace(rows[0], first_answer=rows[0].ranking[1])
    wrong = {"first_hit": 2, "right": [False, True, *[False] * (len(rows[1].ranking) - 2)], "truth": rows[1].ranking[1]}
    rows[1] = dataclasses.replace(rows[1], first_answer=rows[1].ranking[1], **wrong)
    rows[2] = dataclasses.replace(rows[2], first_hit=None, right=[False] * len(rows[2].ranking), truth=None)
    return dataclasses.replace(reranked, rankings=rows)


def test_matches_of_rescued_and_wrong_queries_are_drawn(altered, tmp_path):
    method = method_of(altered, device="cpu")
    page = write(tmp_path, altered, methods=[(altered, method)], matches=2)
    assert "1 query of 16 rescued by the second stage, 1 spoiled" in page.text
    drawn = [alt for alt in page.values("img", "alt") if alt.startswith("Matches of ")]
    rescued, wrong = altered.rankings[:2]
    numbers = [rescued.ranking[0], rescued.first_answer, wrong.ranking[0], wrong.truth]
    names = [rescued.name] * 2 + [wrong.name] * 2
    assert drawn == [f"Matches of {one} with {altered.images[n].name}" for one, n in zip(names, numbers, strict=True)]
    counts = [int(count) for count in re.findall(r"(\d+) match(?:es)?,", page.text)]
    photos = Path(altered.queries_root) / rescued.name, Path(altered.database_root) / altered.images[numbers[0]].name
    assert len(counts) == 4 and counts[0] == len(match(method, *photos).first)
    assert "What re-ranking matched" not in write(tmp_path, altered).text


def test_a_report_outlives_its_photos(altered, tmp_path):
    method = method_of(altered, device="cpu")
    gone = dataclasses.replace(altered, queries_root=str(tmp_path / "gone"))
    assert "is no longer there" in write(tmp_path, gone, methods=[(gone, method)], matches=1).text


def test_a_report_outlives_damaged_photos(altered, shared_set, tmp_path):
    copied = tmp_path / "set"
    shutil.copytree(shared_set, copied)
    moved = {role: getattr(altered, role).replace(str(shared_set), str(copied))
             for role in ("queries_root", "database_root")}  # fmt: skip
    damaged = dataclasses.replace(altered, **moved)
    (Path(damaged.queries_root) / altered.rankings[0].name).write_bytes(b"no picture")
    method = method_of(damaged, device="cpu")
    assert "not a picture that can be read" in write(tmp_path, damaged, methods=[(damaged, method)], matches=1).text


def test_second_stages_that_match_no_points_are_said(altered, tmp_path):
    method = method_of(altered, device="cpu")
    method.reranker = object()
    assert "has no matches to show" in write(tmp_path, altered, methods=[(altered, method)], matches=1).text


def test_methods_are_loaded_as_they_were(reranked):
    assert method_of(reranked, device="cpu").identity() == reranked.identity
    with pytest.raises(ConfigError, match="weights are not those of the result of selavpr"):
        method_of(reranked, "random:4", device="cpu")
    with pytest.raises(NotAvailable, match="'mine' cannot be loaded by name"):
        method_of(dataclasses.replace(reranked, method="mine"), device="cpu")
    with pytest.raises(NotAvailable, match="configuration"):
        method_of(dataclasses.replace(reranked, identity={}), device="cpu")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"weights": {"path": 5}}, "must be text"),
        ({"weights": {"adapter": ["a"]}}, "must be text"),
        ({"configuration": 5}, "keys and values"),
        ({"configuration": {"device": "x"}}, "cannot have 'device'"),
    ],
    ids=["path", "adapter", "no configuration", "another argument"],
)
def test_runs_that_say_nonsense_of_their_method_are_refused(reranked, change, why):
    told = {"weights": {}, **change}
    identity = {**reranked.identity, **{key: value for key, value in change.items() if key == "configuration"}}
    with pytest.raises(NotAvailable, match=why):
        method_of(dataclasses.replace(reranked, identity=identity, weights=told["weights"]), device="cpu")


def test_nothing_is_fetched_unless_tiles_are_wanted(tmp_path):
    plain = write(tmp_path, result(tmp_path))
    assert not plain.values("image", "href") and "http" not in " ".join(plain.values("meta", "content"))
    page = write(tmp_path, result(tmp_path), tiles=Tiles(ADDRESS, "© Street & Co"))
    policy = next(value for value in page.values("meta", "content") if "default-src" in value)
    assert policy == "default-src 'none'; img-src data: https://tiles.example.org; style-src 'unsafe-inline'"
    addresses = page.values("image", "href")
    assert addresses and all(re.fullmatch(r"https://tiles\.example\.org/\d+/\d+/\d+\.png", one) for one in addresses)
    assert "© Street & Co" in page.text


@pytest.mark.parametrize(
    ("east", "north", "zone"),
    [(550_000.0, 4_180_000.0, 10), (320_000.0, -3_800_000.0, 56), (819_400.0, -1_860_000.0, 60),
     (179_800.0, -1_860_000.0, 1)],
    ids=["north", "south", "over the date line", "back over it"],
)  # fmt: skip
def test_tiles_lie_where_they_belong(east, north, zone):
    plane = Plane.around([(east, north), (east + 900.0, north + 500.0)])
    images = ElementTree.fromstring(street(Tiles(ADDRESS), plane, zone)).findall("image")
    assert 4 <= len(images) <= MOST
    covered = np.zeros((12, 12), bool)
    for image in images:
        a, b, c, d, e, f = map(float, image.get("transform")[7:-1].split())
        zoom, x, y = map(int, re.findall(r"\d+", image.get("href").split("org")[1])[:3])
        assert math.hypot(a, b) > 139  # labels can be read
        # The middle of the tile, by the map's plane, is the middle of the tile on the sphere.
        place = plane.metres((e + a / 2 + c / 2, f + b / 2 + d / 2))
        true_north = place[1] + (geo.FALSE_NORTHING if place[1] < 0 else 0)
        latitude, longitude = geo.to_latlon(np.array([place[0]]), np.array([true_north]), np.array([zone]),
                                            np.array([place[1] < 0]))  # fmt: skip
        found = mercator(latitude, longitude, zoom)
        assert (found[0][0], found[1][0]) == (pytest.approx(x + 0.5, abs=0.01), pytest.approx(y + 0.5, abs=0.01))
        inverse = np.linalg.inv(np.array([[a, c], [b, d]]))
        for row in range(12):
            for column in range(12):
                at = np.array([(column + 0.5) / 12 * plane.WIDTH - e, (row + 0.5) / 12 * plane.height - f])
                covered[row, column] |= bool(((inverse @ at >= 0) & (inverse @ at <= 1.004)).all())
    assert covered.all()


def test_tiles_beyond_the_end_of_utm_are_left_out():
    plane = Plane.around([(500_000.0, 9_326_000.0), (509_000.0, 9_329_000.0)])  # up to 84 degrees north
    drawn = street(Tiles(ADDRESS), plane, 31)
    assert "<image" in drawn and "nan" not in drawn


def test_mercator_and_back():
    latitude, longitude = np.array([46.2, -33.9]), np.array([7.3, 151.2])
    x, y = mercator(latitude, longitude, 12)
    assert np.allclose(np.stack(from_mercator(x, y, 12)), [latitude, longitude])
    angle = math.radians(46.2)
    other = (1 - math.log(math.tan(angle) + 1 / math.cos(angle)) / math.pi) / 2 * 2**12  # as OpenStreetMap writes it
    assert y[0] == pytest.approx(other) and x[0] == pytest.approx((180 + 7.3) / 360 * 2**12)


@pytest.mark.parametrize(
    "address",
    ["https://a.org/{z}/{x}.png", "ftp://a.org/{z}/{x}/{y}", "https://a.org; script-src */{z}/{x}/{y}", "tiles",
     "https://a.org/{s}/{z}/{x}/{y}.png", 'https://a.org/"{z}/{x}/{y}'],
    ids=["no-y", "scheme", "policy", "word", "subdomain", "quote"],
)  # fmt: skip
def test_what_is_no_address_of_tiles_is_refused(address):
    with pytest.raises(ConfigError, match="no address of tiles"):
        Tiles(address)


def test_areas_without_a_zone_have_no_tiles():
    assert street(Tiles(ADDRESS), Plane.around([(0.0, 0.0)]), 0) == ""
