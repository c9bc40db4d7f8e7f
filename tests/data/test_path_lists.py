"""Lists of images: columns over bytes say what single names say, and what was worked out is kept by content."""

import json
import os
import shutil
import time

import numpy as np
import pytest

from tests.conftest import at_name
from vprkit.data import cache, ground_truth, path_lists
from vprkit.data.benchmark import open_benchmark, open_records
from vprkit.data.columns import StringColumn
from vprkit.data.layouts import at, at_columns
from vprkit.data.positives import MANY, within_radius
from vprkit.errors import DataError

NAMES = [
    "@0544388.51@4172758.25@10@S@037.70098@-122.49646@kPnABhWJ1kA61eMNPLs1vQ@@210@@@@201606@@.jpg",
    "year@2013/@0544388.51@4172758.25@10@S@037.70098@-122.49646@a@@210@@@@201606@night_x@.jpg",
    "@0499637.67@6958017.95@56@J@-27.50149@0152.99633@210809_1210_02647@@@@@@@@.jpg",
    "@0619586.56@5734983.03@20141216_191044@.jpg",
    "@0@1000@@@@@0001@@@@@@@@.jpg",
    "@0@00002.4@@@@@1@@@@@@@@.jpg",
    "@1e5@.5@x@022@@@@@@@@@@@.jpg",
    "@5.@-0@61@@@@@@@@@@@@.jpg",
    "@1@2@3@é@@@@@@@@@@@@.jpg",
    "@1@2@10@S@nan@-inf@@@359.5@@@@@@.jpg@more",
    "@-@2@10@S@@@@@@@@@@@.jpg",
    "x@1@2@.jpg",
    "plain.jpg",
    "@a/@1@2@.jpg",
    "@1@2@10@S@@@@@@@@@@/@.jpg",
    "",
]


def assert_same(names: list[str]) -> None:
    pieces = list(at_columns.blocks(StringColumn.of(names), 5))
    known = np.concatenate([piece.known for piece in pieces])
    for row, name in enumerate(names):
        fields, piece, inside = at.parse_name(name), pieces[row // 5], row % 5
        assert bool(known[row]) == (fields is not None), name
        if fields is None:
            continue
        for key in at_columns.NUMBERS:
            value, found = getattr(fields, key), getattr(piece, key)[inside]
            assert (value is None and np.isnan(found)) or value == found, (name, key)
        assert (fields.zone, fields.south) == (piece.zone[inside], piece.south[inside]), name
        assert fields.zone_unreadable == piece.unreadable[inside], name
        assert (fields.time or "") == piece.time[inside], name
        assert (at.condition_of(fields.note) or "") == piece.condition[inside], name


def test_columns_say_what_single_names_say():
    assert_same(NAMES)
    assert_same(NAMES[:3] * 4)
    rng = np.random.default_rng(1)
    for _ in range(20):
        assert_same([NAMES[row] for row in rng.integers(0, len(NAMES), 12)])


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Even short lists are kept, in a folder of the test's own."""
    monkeypatch.setenv("VPRKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(path_lists, "WORTH", 0)
    return tmp_path / "cache"


@pytest.fixture
def listed(tmp_path):
    """A set with lists beside its folders; long ago, so that the time of change is trusted."""
    root = tmp_path / "set"
    for role, offset in (("database", 0), ("queries", 3)):
        names = [at_name(400_000 + 20 * n + offset, 5e6, "night" * (n % 2), f"{role}{n}") for n in range(30)]
        (root / role).mkdir(parents=True)
        for name in names:
            (root / role / name).touch()
        write(root / f"{role}_images_paths.txt", names[::-1])
    return root


def write(path, names):
    path.write_text("\n".join(names) + "\n")
    os.utime(path, (time.time() - 60, time.time() - 60))


def opened(root, **options):
    benchmark = open_benchmark(root, **options)
    return list(benchmark.database.names), [row.tolist() for row in benchmark.positives], benchmark


def test_the_second_opening_maps_what_the_first_worked_out(kept, listed, monkeypatch):
    names, positives, benchmark = opened(listed)
    assert names[0].startswith("database/@0400580") and len(names) == 30, "a list keeps its order"
    assert positives[0] == [0, 1]
    assert benchmark.queries[0].condition == "night" and benchmark.queries[1].condition is None
    for function in ("_names", "_pieces"):
        monkeypatch.setattr(path_lists, function, None)

    def zone_aware(*_):
        raise AssertionError("worked out anew")

    monkeypatch.setattr(ground_truth.rules, "zone_aware", zone_aware)
    again = opened(listed)
    assert again[:2] == (names, positives)
    assert isinstance(again[2].database.east, np.memmap)
    assert again[2].database.list_hash() == benchmark.database.list_hash()
    assert not list(kept.rglob("*.pkl")) and {path.suffix for path in kept.rglob("*.json")} == {".json"}


def test_what_is_kept_follows_the_content(kept, listed, tmp_path):
    opened(listed)
    path = listed / "database_images_paths.txt"
    lines = path.read_text().splitlines()
    write(path, lines[:-1])
    assert len(opened(listed)[0]) == 29
    swapped = [lines[1], lines[0], *lines[2:]]  # as long as before, and as old
    write(path, lines)
    opened(listed)
    stamp = path.stat()
    path.write_text("\n".join(swapped) + "\n")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert opened(listed)[0][0] == f"database/{lines[1]}"
    shutil.copytree(listed, tmp_path / "other")  # the same content elsewhere is the same entry
    entries = sorted(each.name for each in (kept / "lists-1/records").iterdir())
    opened(tmp_path / "other")
    assert sorted(each.name for each in (kept / "lists-1/records").iterdir()) == entries


def test_damaged_entries_are_worked_out_anew(kept, listed):
    expected = opened(listed)[:2]
    for facts in kept.rglob("facts.json"):
        facts.write_text('{"columns": {"east": ["<f8", 5]}}')
    assert opened(listed)[:2] == expected
    for column in kept.rglob("east"):
        column.write_bytes(b"short")
    assert opened(listed)[:2] == expected
    for pointer in kept.rglob("seen/*.json"):
        pointer.write_text(json.dumps([1]))
    assert opened(listed)[:2] == expected


def test_without_a_cache_everything_works(listed, tmp_path, monkeypatch):
    monkeypatch.setattr(path_lists, "WORTH", 0)
    monkeypatch.setenv("VPRKIT_CACHE", "off")
    expected = opened(listed)[:2]
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VPRKIT_CACHE", str(tmp_path / "file"))
    assert opened(listed)[:2] == expected
    monkeypatch.setenv("VPRKIT_CACHE", str(tmp_path / "new"))
    monkeypatch.setattr(path_lists, "PIECE", 200)
    assert opened(listed)[:2] == expected
    assert cache.folder() == tmp_path / "new" / "lists-1"


@pytest.mark.parametrize("change", ["crlf", "blank", "spaces", "dots", "parent", "bom", "unended"])
def test_lists_as_others_write_them(listed, change):
    path = listed / "database_images_paths.txt"
    lines = path.read_text().splitlines()
    text = {
        "crlf": "\r\n".join(lines) + "\r\n",
        "blank": "\n\n" + "\n\n".join(lines) + "\n\n",
        "spaces": " \n".join(lines) + " \n",
        "dots": "\n".join(f"./{line}" for line in lines) + "\n",
        "parent": "\n".join(f"database/{line}" for line in lines) + "\n",
        "bom": "\ufeff" + "\n".join(lines) + "\n",
        "unended": "\n".join(lines),
    }[change]
    expected = opened(listed)[:2]
    path.write_bytes(text.encode())
    assert opened(listed)[:2] == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [("../a.jpg\n", "does not stay inside"), ("/etc/a.jpg\n", "does not stay inside"), ("", "lists no image"),
     ("a.jpg\nb/../../c.jpg\n", "does not stay inside"), ("nothing.jpg\n", "1 of 1 listed files do not exist")],
)  # fmt: skip
def test_lists_that_cannot_be_right(listed, text, message):
    (listed / "database_images_paths.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        open_benchmark(listed)


def test_long_lists_are_sampled(listed, monkeypatch):
    monkeypatch.setattr(path_lists, "EVERY", 5)
    names = sorted(path.name for path in (listed / "database").iterdir())
    (listed / "database" / names[3]).unlink()
    benchmark = open_benchmark(listed)
    assert any("1 of 30 files looked at do not exist" in notice for notice in benchmark.notices)
    (listed / "database" / names[-1]).unlink()
    with pytest.raises(DataError, match="2 of 30 listed files do not exist"):
        open_benchmark(listed)


def test_lists_without_positions_are_read_from_exif(tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("b.jpg", "a.jpg"):
        (tmp_path / "photos" / name).write_bytes(b"no picture")
    (tmp_path / "photos_images_paths.txt").write_text("b.jpg\na.jpg\n")
    records = open_records(tmp_path / "photos")
    assert list(records.names) == ["b.jpg", "a.jpg"] and not records.has_position.any()


def test_a_cut_down_database_gives_the_same_positives():
    rng = np.random.default_rng(0)
    database = rng.uniform(0, 20_000, (MANY + 5, 2))
    database[7] = np.nan
    queries = np.concatenate([database[rng.integers(8, MANY, 50)] + rng.normal(0, 15, (50, 2)), [[np.nan, 0]]])
    found = within_radius(database, queries, 25.0)
    for row, query in enumerate(queries):
        metres = np.hypot(*(database - query).T)
        assert found[row].tolist() == np.flatnonzero(metres <= 25.0).tolist()
    far = within_radius(database, np.append(queries, [[1e9, 1e9]], 0), 25.0)  # too many squares: the whole tree
    assert np.array_equal(far.numbers, found.numbers)


def test_string_columns():
    column = StringColumn.of(["b", "", "aé", "b", "x" * 300])
    assert list(column.take(np.array([-1, 0, 2]))) == ["x" * 300, "b", "aé"]
    assert list(column[1:3]) == ["", "aé"] and list(column[::2]) == ["b", "aé", "x" * 300] and list(column[3:1]) == []
    codes, values = column.codes()
    assert [values[code] for code in codes] == list(column) and values == sorted(values)
    codes, values = column[:4].codes()
    assert [values[code] for code in codes] == ["b", "", "aé", "b"] and values == ["", "aé", "b"]
    assert b"".join(column.lines(2)) == "".join(f"{text}\n" for text in column).encode()
    assert list(StringColumn.joined([column[1:3], StringColumn.blank(1), column[:1]])) == ["", "aé", "", "b"]
