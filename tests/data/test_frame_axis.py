"""Frames told by names: one that a list lacks shifts nothing behind it; whole lists are counted as they are listed."""

import numpy as np
import pytest

from tests.data.writing import photos
from vprkit.data.benchmark import open_benchmark
from vprkit.data.check import check_benchmark
from vprkit.data.frame_axis import frame_axis
from vprkit.data.ground_truth import resolve
from vprkit.data.records import Records


def mock(numbers, spacing=25 / 10.5):
    """The `@` version of Nordland: east 0, north along the track."""
    return Records.from_rows(
        "/track",
        [{"name": f"@0@{n * spacing:07.1f}@.jpg", "east": 0.0, "north": round(n * spacing, 1)} for n in numbers],
    )


def named(numbers, pattern="frame-{:05d}.png"):
    return Records.from_rows("/track", [{"name": pattern.format(n)} for n in numbers])


def truth(rule, database, queries, tmp_path):
    return resolve(rule, tmp_path, database, queries, 25.0, False)


@pytest.mark.parametrize("records", [mock, named])
def test_positives_are_the_frames_around_whatever_either_list_lacks(records, tmp_path):
    answering = [n for n in range(60) if n not in (7, 8, 40)]
    asking = [n for n in range(60) if n not in (20, 40)]
    found = truth("frames:2", records(answering), records(asking), tmp_path)
    known = sorted({*answering, *asking})
    for query, rows in zip(asking, found.positives, strict=True):
        window = [n for n in answering if abs(known.index(n) - known.index(query)) <= 2]
        assert [answering[row] for row in rows] == window
    assert found.rule == "frame within 2 of the query's"
    assert any("frames in one of the lists only: 3, such as" in notice for notice in found.notices)


def test_whole_lists_are_counted_as_they_are_listed(tmp_path):
    kept = [202, 203, 204, 207, 35582]  # tunnels are in neither list, and are no steps of the published window
    for records in (mock, named):
        found = truth("frames:1", records(kept), records(kept), tmp_path)
        assert [row.tolist() for row in found.positives] == [[0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4]]
        assert (found.rule, found.notices) == ("list position within 1 of the query's", ())


def test_names_that_do_not_number_the_same_frames_are_counted_as_listed(tmp_path):
    fitting = {
        "other frames": (named(range(8)), named(range(100, 108))),
        "no numbers": (named(range(8), "x{}y.jpg"), named(range(1, 9), "x{}y.jpg")),
        "numbers twice": (named([1, 2, 3, 4] * 2), named([1, 2, 3, 5] * 2)),
        "all at one place": (mock([0] * 8), mock([0] * 8)),
    }
    for why, (database, queries) in fitting.items():
        found = truth("frames:0", database, queries, tmp_path)
        assert [row.tolist() for row in found.positives] == [[n] for n in range(8)], why
        assert not found.notices


def test_numbers_of_several_widths_are_counted_in_their_order(tmp_path):
    listed = sorted(range(12), key=str)
    found = truth("frames:1", named(listed, "{}.jpg"), named(listed, "{}.jpg"), tmp_path)
    for query, rows in zip(listed, found.positives, strict=True):
        assert {listed[row] for row in rows} == {n for n in (query - 1, query, query + 1) if 0 <= n < 12}
        assert rows.tolist() == sorted(rows.tolist())
    assert found.notices == ("frames are counted in the order of the numbers in their names, which the list is not in",)


def test_several_traverses_ask_on_one_axis():
    one, other = [1, 2, 3, 5], [1, 2, 4, 5]
    axis = frame_axis(named([1, 2, 4, 5]), named([*one, *other]), traverse=4)
    assert axis.database.tolist() == [0, 1, 3, 4]
    assert axis.queries.tolist() == [0, 1, 2, 4, 0, 1, 3, 4]


def test_a_stride_goes_by_list_positions(tmp_path):
    found = truth("frames:1x10", named(range(40)), named(range(4)), tmp_path)
    assert [row.tolist() for row in found.positives] == [[0, 1], [9, 10, 11], [19, 20, 21], [29, 30, 31]]


def test_nordlands_seasons_lack_different_frames(tmp_path):
    """Equal counts, other frames: winter 3 shows what summer 3 shows, and reading and checking say what is missing."""
    frames = {"summer": [1, 3, 4, 5, 6, 7, 8], "winter": [1, 2, 3, 4, 5, 6, 8]}
    for season, numbers in frames.items():
        photos(tmp_path / season, [f"images-{n:05d}.png" for n in numbers])
    benchmark = open_benchmark(tmp_path, ground_truth="frames:0")
    assert [[frames["summer"][row] for row in rows] for rows in benchmark.positives] == [
        [n] if n in frames["summer"] else [] for n in frames["winter"]
    ]
    said = "frames in one of the lists only: 2, such as winter/images-00002.png"
    assert any(said in notice for notice in benchmark.notices)
    assert any(said in finding.message for finding in check_benchmark(benchmark, "none"))
    assert np.array_equal(open_benchmark(tmp_path).positives.counts, [7] * 7)  # +-10 of the full version
