"""The report: whole, self-contained, and not to be broken by what is in a result."""

import base64
import dataclasses
import html.parser
import io
import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.report.results import at, draw_photos, result, unlabelled, without
from vprkit.errors import DataError, VprError
from vprkit.evaluation.result import Curve, DatabaseImage, Position, Result
from vprkit.report.html import write_report

NAMES = [f"queries/{letter}.jpg" for letter in "abcd"] + [f"database/{number}.jpg" for number in range(3)]
VOID = {"meta", "img", "br"}


class Page(html.parser.HTMLParser):
    """Checks that tags balance; collects tags, attributes and text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.feed(source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, tag: str, name: str) -> list[str]:
        return [value for found, attribute, value in self.attributes if (found, attribute) == (tag, name)]


def page(tmp_path: Path, *results: Result) -> Page:
    path = write_report(results, tmp_path / "out" / "report.html", overwrite=True)
    source = path.read_text(encoding="utf-8")
    for drawing in re.findall(r"<svg.*?</svg>", source, re.DOTALL):
        ElementTree.fromstring(drawing)
        assert "nan" not in drawing and "inf" not in drawing
    found = Page(source)
    assert "script" not in found.tags
    for _, name, value in found.attributes:
        assert name not in ("src", "href") or value.startswith(("data:image/jpeg;base64,", "#"))
    assert "http://" not in source and "https://" not in source and "url(" not in source
    return found


def test_numbers_and_pictures_are_in_it(tmp_path: Path) -> None:
    draw_photos(tmp_path, NAMES)
    found = page(tmp_path, result(tmp_path))
    for words in ("town", "hog", "within 25 m", "one-way", "25.0", "0.0 – 75.0", "61.1", "66.7", "18.25", "31.50",
                  "0.167", "1 of 4 queries have no positive", "ab" * 32, "11" * 32, '"cells": 8', "night", "107 m",
                  "score 0.9500", "right image at rank 3", "no right image exists", "UTM zone 10, north",
                  "4.3 km"):  # fmt: skip
        assert words in found.text, words
    pictures = found.values("img", "src")
    assert len(pictures) == 8  # three mistakes: query, answer and, but for one, truth
    assert Image.open(io.BytesIO(base64.b64decode(pictures[0].split(",")[1]))).size == (48, 36)
    assert all(found.values("img", "alt")) and found.tags.count("svg") == 3
    assert set(found.values("th", "scope")) == {"col", "row"}


def test_surest_mistakes_come_first_and_are_limited(tmp_path: Path) -> None:
    path = write_report([result(tmp_path)], tmp_path / "r.html", failures=2)
    names = [value for value in Page(path.read_text()).values("bdi", "title") if value.startswith("queries/")]
    assert list(dict.fromkeys(names)) == ["queries/b.jpg", "queries/d.jpg"]
    without_any = write_report([result(tmp_path)], tmp_path / "s.html", failures=0).read_text()
    assert "<article" not in without_any


def test_runs_side_by_side_are_compared(tmp_path: Path) -> None:
    better = without(result(tmp_path, method="salad", recalls={1: 100.0, 2: 100.0, 3: 100.0}), first_hit=1)
    found = page(tmp_path, result(tmp_path), better)
    assert "salad against hog" in found.text and "+75.0" in found.text and "2 runs on 1 benchmark" in found.text
    assert found.text.count("Every query is answered rightly.") == 1
    other = page(tmp_path, result(tmp_path), result(tmp_path, list_hashes={"database": "33", "queries": "44"}))
    assert "against" not in other.text and "2 runs on 2 benchmarks" in other.text and "town, set 2" in other.text


def test_runs_of_one_method_have_different_names(tmp_path: Path) -> None:
    same = result(tmp_path)
    found = page(tmp_path, same, result(tmp_path, weights={"path": "other.pth"}), same)
    assert "hog (hog), run 1" in found.text and "hog (other)" in found.text and "hog (hog), run 2" in found.text


@pytest.mark.parametrize("evil", [
    "<script>alert(1)</script>.jpg", '"><img src=x onerror=alert(1)>', "a\x00b\udcff\u202e.jpg"])  # fmt: skip
def test_strings_are_escaped(tmp_path: Path, evil: str) -> None:
    images = {number: DatabaseImage(evil, at(0.0)) for number in range(3)}
    row = {"name": evil, "condition": evil}
    everywhere = result(
        tmp_path,
        method=evil,
        benchmark=evil,
        rule=evil,
        notices=(evil,),
        protocol=evil,
        images=images,
        conditions={evil: {"queries": 1, evil: 2.0}},
        identity={evil: evil},
        weights={evil: evil},
        timings={evil: {"items": 1, "seconds": math.nan}},
        list_hashes={evil: evil},
        environment={evil: evil, "device": evil},
        queries_root=evil,
    )
    hostile = without(everywhere, **row)
    found = page(tmp_path, hostile, hostile)
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    assert not [tag for tag in found.tags if tag in ("script", "iframe", "link", "object", "form")]


def test_missing_and_damaged_pictures_get_a_placeholder(tmp_path: Path) -> None:
    draw_photos(tmp_path, NAMES[:2])
    (tmp_path / "database").mkdir()
    (tmp_path / "database" / "1.jpg").write_bytes((tmp_path / "queries" / "a.jpg").read_bytes()[:300])
    (tmp_path / "database" / "2.jpg").write_text("not a picture")
    found = page(tmp_path, result(tmp_path, images={1: result(tmp_path).images[1], 2: result(tmp_path).images[2]}))
    assert found.text.count("picture not readable") >= 3 and len(found.values("img", "src")) >= 1


def test_without_ground_truth_it_shows_answers(tmp_path: Path) -> None:
    draw_photos(tmp_path, NAMES)
    found = page(tmp_path, unlabelled(tmp_path))
    assert "there is no ground truth" in found.text and "The first 4 of 4 queries" in found.text
    assert len(found.values("img", "src")) == 16 and "R@1" not in found.text and "✕" not in found.text


def test_survives_what_a_result_may_lack(tmp_path: Path) -> None:
    whole = result(tmp_path)
    nan = math.nan
    bare = dict.fromkeys(whole.images, DatabaseImage("x.jpg"))
    for odd in (
        without(result(tmp_path, curve=None, mean_average_precision=None), scores=[], metres=None),
        without(result(tmp_path, images=bare, conditions={}, timings={}), position=Position(), condition=None),
        result(tmp_path, images={}),
        without(whole, ranking=[], scores=[], right=[], first_hit=None, metres=None),
        without(whole, scores=[nan, nan, -math.inf], metres=nan, position=at(nan)),
        without(whole, first_hit=None, truth=None, positives=0),
        result(tmp_path, recalls={1: nan}, recalls_answerable={1: nan}, intervals={1: (nan, nan)}, rankings=[]),
        result(tmp_path, curve=Curve([nan], [nan], [nan], nan, nan), intervals={}),
        result(tmp_path, curve=Curve([], [], [], 0.0, 0.0), recalls={20: 0.0, 100: 0.0}, identity={}, weights=None,
               environment={}, list_hashes={}, protocol=None, notices=()),
        without(unlabelled(tmp_path), ranking=[], scores=[]),
        dataclasses.replace(unlabelled(tmp_path), rankings=[], images={}),
    ):  # fmt: skip
        found = page(tmp_path, odd, whole)
        assert "nan" not in found.text.replace("answer", "").lower()


def test_every_zone_and_city_has_its_own_map(tmp_path: Path) -> None:
    south, degrees = at(0, 6_250_000.0, 56, True), Position(latitude=40.4, longitude=-3.7)
    places = [at(0), at(50), at(0, 4_380_000.0), south, degrees]
    rows = [dataclasses.replace(result(tmp_path).rankings[1], position=place) for place in places]
    found = page(tmp_path, result(tmp_path, rankings=rows))
    assert len(set(re.findall(r"around [-\d., ]+", found.text))) == 4
    assert "UTM zone 56, south" in found.text and "40.400, -3.700" in found.text
    assert "1 wrong answer without a line" in found.text


def test_many_queries_are_thinned_and_it_is_said(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    first = result(tmp_path).rankings[0]
    rows = [dataclasses.replace(first, position=at(*spot)) for spot in generator.uniform(0, 900, (2500, 2))]
    assert "2,000 of 2,500 queries, evenly chosen" in page(tmp_path, result(tmp_path, rankings=rows)).text


def test_refuses_to_overwrite_and_needs_a_result(tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    assert write_report([unlabelled(tmp_path)], path) == path
    with pytest.raises(VprError, match="exists already"):
        write_report([unlabelled(tmp_path)], path)
    with pytest.raises(DataError, match="at least one"):
        write_report([], tmp_path / "s.html")
    with pytest.raises(VprError, match="no folder that can be written"):
        write_report([unlabelled(tmp_path)], path / "below" / "r.html")


def test_distances_of_first_answers_are_counted(tmp_path: Path) -> None:
    text = page(tmp_path, result(tmp_path)).text
    assert "within 5 m within 10 m within 25 m within 50 m within 100 m within 1000 m Median distance" in text
    assert "hog 25.0 25.0 25.0 25.0 50.0 75.0 102 m" in text  # 3, 98, 107 and 4321 m
    assert "Median distance" not in page(tmp_path, without(result(tmp_path), metres=None)).text
