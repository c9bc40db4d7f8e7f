"""Searches inside cities, answers that are ignored, tables per city, and prediction files."""

import dataclasses

import numpy as np
import pytest

from vprkit.data.areas import Areas
from vprkit.data.benchmark import Benchmark
from vprkit.data.positives import Positives
from vprkit.data.records import Records
from vprkit.errors import DataError
from vprkit.evaluation.evaluate import evaluate_descriptors, evaluate_rankings
from vprkit.evaluation.result import Result
from vprkit.evaluation.submission import key_of, write_submission


def records(prefix: str, count: int) -> Records:
    return Records.from_rows("/", [{"name": f"{prefix}/images/{prefix}{number}.jpg"} for number in range(count)])


def benchmark(**more) -> Benchmark:
    areas = Areas(("cph", "sf"), np.array([0, 0, 0, 1, 1], np.int16), np.array([0, 1, 1], np.int16))
    positives = areas.within(Positives.of([[1, 3], [3], [0, 4]]))
    return Benchmark("cities", records("d", 5), records("q", 3), positives, "listed", areas=areas, **more)


DATABASE = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.9, 0.1], [0.1, 0.9]])
QUERIES = np.array([[0.9, 0.1], [1.0, 0.0], [0.0, 1.0]])


def test_positives_stay_inside_their_city():
    assert [row.tolist() for row in benchmark().positives] == [[1], [3], [4]]


def test_search_inside_cities():
    everywhere = evaluate_descriptors(QUERIES, DATABASE, benchmark(), ks=(1, 5))
    inside = evaluate_descriptors(QUERIES, DATABASE, benchmark(search_inside=True), ks=(1, 5))
    assert [row.ranking[0] for row in everywhere.rankings] == [0, 0, 2]
    assert [row.ranking for row in inside.rankings] == [[0, 1, 2], [3, 4], [4, 3]]
    assert inside.recalls == pytest.approx({1: 200 / 3, 5: 100.0})
    assert inside.areas["sf"]["R@1"] == 100 and inside.areas["cph"]["mAP@5"] == pytest.approx(50)
    assert inside.areas["sf"]["queries"] == 2 and inside.precisions[1] == pytest.approx(200 / 3)
    assert "sf" in inside.table() and "mAP@1" in inside.table() and "mAP@5" in inside.table()
    assert Result.from_dict(inside.to_dict()).areas == inside.areas
    assert Result.from_dict(inside.to_dict()).precisions == inside.precisions


def test_ignored_answers_make_room():
    plain = benchmark()
    ignoring = dataclasses.replace(plain, ignored=Positives.of([[0, 3], [0], []]))
    result = evaluate_descriptors(QUERIES, DATABASE, ignoring, ks=(1, 2))
    assert [row.ranking for row in result.rankings] == [[1, 4], [3, 1], [2, 4]]
    assert result.recalls[1] == pytest.approx(200 / 3)
    rankings = np.array([[0, 3, 1], [0, 3, -1], [4, 2, 0]])
    given = evaluate_rankings(rankings, ignoring, ks=(1,))
    assert [row.ranking for row in given.rankings] == [[1], [3], [4, 2, 0]]


def test_protocol_and_lists_are_printed():
    result = evaluate_descriptors(QUERIES, DATABASE, benchmark(protocol="msls-val-740"), ks=(1,))
    assert result.protocol == "msls-val-740"
    line = result.table().splitlines()[1]
    assert "protocol: msls-val-740" in line and result.list_hashes["queries"][:12] in line


def test_prediction_files(tmp_path):
    result = evaluate_descriptors(QUERIES, DATABASE, benchmark(search_inside=True), ks=(1, 5))
    write_submission(result, tmp_path / "predictions.txt")
    lines = (tmp_path / "predictions.txt").read_text().splitlines()
    assert lines[0].startswith("# ") and lines[1:] == ["q0 d0 d1 d2", "q1 d3 d4", "q2 d4 d3"]
    assert key_of("a/@1@2@33@U@5@6@the-key@@@@@@@@.jpg") == "the-key" and key_of("x/-k_y.jpg") == "-k_y"
    twice = dataclasses.replace(result, rankings=[result.rankings[0], result.rankings[0]])
    with pytest.raises(DataError, match="the key 'q0' belongs to two images"):
        write_submission(twice, tmp_path / "other.txt")
