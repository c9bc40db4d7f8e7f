"""Pairs for hloc and COLMAP."""

import dataclasses
import json

import numpy as np
import pytest

from tests.conftest import write_set
from tests.evaluation.answers import answers
from vprkit.data.records import Records
from vprkit.errors import ConfigError, DataError, VprError
from vprkit.evaluation.pair_lists import Pairs, Prefixes, near_pairs, pairs_of_locations, pairs_of_result, read_pairs
from vprkit.retrieval.map import Map

APART = Prefixes("query", "db/")


def hloc_reads(path):
    """As hloc's own reader does: two words a line."""
    retrieval = {}
    for line in path.read_text().rstrip("\n").split("\n"):
        query, name = line.split()
        retrieval.setdefault(query, []).append(name)
    return retrieval


def test_a_run_gives_every_query_its_first_images(tmp_path):
    result = answers(30)
    result.save(tmp_path / "run.json")
    found = read_pairs(tmp_path / "run.json", 4, APART, None, None, None)
    found.save(tmp_path / "pairs.txt")
    read = hloc_reads(tmp_path / "pairs.txt")
    assert read == {
        f"query/{row.name}": [f"db/{result.images[number].name}" for number in row.ranking[:4]]
        for row in result.rankings
    }
    with pytest.raises(VprError, match="exists already"):
        found.save(tmp_path / "pairs.txt")


def test_names_in_common_are_told_apart_or_refused():
    result = dataclasses.replace(answers(30), queries_root="/q", database_root="/d")
    with pytest.raises(DataError, match="name of a query and of a database image in another folder"):
        pairs_of_result(result, 5)
    assert len(pairs_of_result(result, 5, APART).pairs) == 150


def test_one_folder_gives_no_image_itself_and_no_pair_twice():
    result = answers(3)
    rows = [
        dataclasses.replace(row, name=f"{number}.jpg", ranking=ranking)
        for row, number, ranking in zip(result.rankings, (0, 1, 2), ([0, 1, 2], [0, 2], []), strict=True)
    ]
    found = pairs_of_result(dataclasses.replace(result, rankings=rows), 3)
    assert found == Pairs((("0.jpg", "1.jpg"), ("0.jpg", "2.jpg"), ("1.jpg", "2.jpg")), 1)


def test_queries_by_text_alone_give_no_pairs():
    result = answers(4)
    rows = [dataclasses.replace(row, by_photo=number > 0) for number, row in enumerate(result.rankings)]
    found = pairs_of_result(dataclasses.replace(result, rankings=rows), 1, APART)
    assert [query for query, _ in found.pairs] == ["query/1.jpg", "query/2.jpg", "query/3.jpg"]


def test_located_photos_give_pairs_but_for_rejected_ones(tmp_path):
    located = [
        {"query": str(tmp_path / "q" / "a.jpg"), "hits": [{"name": "x/1.jpg"}, {"name": "2.jpg"}], "known": True},
        {"query": str(tmp_path / "q" / "b.jpg"), "hits": [{"name": "2.jpg"}], "known": False},
        {"query": str(tmp_path / "q" / "c.jpg"), "hits": [{"name": "3.jpg"}], "known": None},
    ]
    (tmp_path / "where.json").write_text(json.dumps(located))
    found = read_pairs(tmp_path / "where.json", 5, Prefixes(), tmp_path / "q", None, None)
    assert found == Pairs((("a.jpg", "x/1.jpg"), ("a.jpg", "2.jpg"), ("c.jpg", "3.jpg")), 1)
    with pytest.raises(ConfigError, match="name the folder of the photos with --query-root"):
        pairs_of_locations(located, 5)
    with pytest.raises(DataError, match="does not lie in"):
        pairs_of_locations(located, 5, query_root=tmp_path / "elsewhere")
    with pytest.raises(DataError, match="no list of locations"):
        pairs_of_locations([{"photo": "a.jpg"}], 5)
    with pytest.raises(DataError, match="does not stay inside"):
        pairs_of_locations([{"query": "a.jpg", "hits": [{"name": "../../etc/passwd"}]}], 5)


def test_a_name_that_two_folders_share_is_refused():
    """A map of two folders: hits are named as they were below their own."""
    hits = [{"name": "1.jpg", "path": "/north/1.jpg"}, {"name": "1.jpg", "path": "/south/1.jpg"}]
    with pytest.raises(DataError, match="name of /north/1.jpg and of /south/1.jpg"):
        pairs_of_locations([{"query": "a.jpg", "hits": hits[:1]}, {"query": "b.jpg", "hits": hits[1:]}], 5)
    same = [{"query": name, "hits": hits[:1]} for name in ("a.jpg", "b.jpg")]
    assert len(pairs_of_locations(same, 5).pairs) == 2


def test_names_that_colmap_takes_for_comments_are_refused(tmp_path):
    with pytest.raises(DataError, match="begins with #"):
        Pairs((("#1.jpg", "2.jpg"),)).save(tmp_path / "p.txt")


def test_names_that_break_a_line_are_refused(tmp_path):
    for name in ("my photo.jpg", "a\nb.jpg", "a\u00a0b.jpg"):
        with pytest.raises(DataError, match="has a space in it"):
            Pairs((("q.jpg", name),)).save(tmp_path / "p.txt")
    assert not (tmp_path / "p.txt").exists()


def test_near_images_that_look_the_same_way_are_paired_once():
    generator = np.random.default_rng(0)
    rows = [
        {"name": f"{number}.jpg", "east": 400_000 + generator.uniform(0, 200), "north": 5e6 + generator.uniform(0, 200),
         "zone": 32, "heading": float(generator.uniform(0, 360)) if number % 7 else None}
        for number in range(80)
    ] + [{"name": "nowhere.jpg"}]  # fmt: skip
    expected = set()
    for i, one in enumerate(rows[:-1]):
        for other in rows[i + 1 : -1]:
            apart = np.hypot(one["east"] - other["east"], one["north"] - other["north"])
            turned = 0.0
            if one["heading"] is not None and other["heading"] is not None:
                turned = abs((one["heading"] - other["heading"] + 180) % 360 - 180)
            if apart <= 30 and turned <= 60:
                expected.add((f"db/{one['name']}", f"db/{other['name']}"))
    found = near_pairs(Records.from_rows("", rows), 30.0, 60.0, "db")
    assert set(found.pairs) == expected and len(found.pairs) == len(expected) > 20
    assert len(near_pairs(Records.from_rows("", rows), 30.0).pairs) > len(expected)
    assert found.left_out == 81 - len({name for pair in expected for name in pair})


def test_a_map_gives_pairs_of_what_it_still_holds(tmp_path, hog):
    write_set(tmp_path / "set", places=6, spacing=10.0)
    place_map = Map.build(tmp_path / "set" / "database", hog, tmp_path / "m")
    place_map.remove(["*d2@*"])
    found = read_pairs(tmp_path / "m", 5, Prefixes(), None, 12.0, None)
    kinds = sorted(tuple(name.split("@")[7] for name in pair) for pair in found.pairs)
    assert kinds == [("d0", "d1"), ("d3", "d4"), ("d4", "d5")]


@pytest.mark.parametrize(
    ("near", "turn", "root", "error"),
    [(0.0, None, None, "above 0"), (5.0, 270.0, None, "0 to 180"), (None, None, None, "say how near")],
    ids=["zero", "turn", "missing"],
)
def test_limits_that_make_no_sense_are_refused(tmp_path, hog, near, turn, root, error):
    write_set(tmp_path / "set", places=3)
    Map.build(tmp_path / "set" / "database", hog, tmp_path / "m")
    with pytest.raises(ConfigError, match=error):
        read_pairs(tmp_path / "m", 5, Prefixes(), root, near, turn)


def test_sources_that_are_something_else_are_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_pairs(tmp_path / "none", 5, Prefixes(), None, None, None)
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(DataError, match="x.json: neither a result that .* nor what .* wrote .it is no JSON"):
        read_pairs(tmp_path / "x.json", 5, Prefixes(), None, None, None)
    (tmp_path / "y.json").write_text("{}")
    with pytest.raises(DataError, match="y.json: neither a result that `vpr evaluate --save` wrote nor what"):
        read_pairs(tmp_path / "y.json", 5, Prefixes(), None, None, None)
    with pytest.raises(ConfigError, match="is no map"):
        read_pairs(tmp_path / "y.json", 5, Prefixes(), None, 5.0, None)
    with pytest.raises(VprError, match="no map here"):
        read_pairs(tmp_path, 5, Prefixes(), None, 5.0, None)
    with pytest.raises(ConfigError, match="at least 1"):
        pairs_of_result(answers(3), 0)
    with pytest.raises(DataError, match="no image has a position"):
        near_pairs(Records.from_rows("", [{"name": "a.jpg"}]), 5.0)
