import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import at_name, picture, real_set
from vprkit.data.benchmark import Benchmark, open_benchmark, open_records
from vprkit.data.ground_truth import read_csv
from vprkit.data.layouts.table import read_records
from vprkit.data.positives import Positives, frame_window, planar, within_radius, zone_aware
from vprkit.data.records import Records
from vprkit.errors import ConfigError, DataError

FIXTURE = Path(__file__).parent / "at_layout"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("zone_aware", "positives_geographic_25m"), ("planar", "positives_naive_planar_25m")],
)
def test_the_at_fixture(rule, expected):
    benchmark = open_benchmark(FIXTURE, ground_truth=rule)
    truth = json.loads((FIXTURE / "expected.json").read_text())
    assert [record.name.split("/")[1] for record in benchmark.database] == [row["name"] for row in truth["database"]]
    assert [row.tolist() for row in benchmark.positives] == truth[expected]


def test_zone_aware_agrees_with_published_lists_of_two_cities():
    folder = real_set("msls-weather-blur-a")
    listed = open_benchmark(folder)
    computed = open_benchmark(folder, ground_truth="zone_aware")
    assert np.array_equal(listed.positives.numbers, computed.positives.numbers)
    assert np.array_equal(listed.positives.offsets, computed.positives.offsets)


def brute_force(database: np.ndarray, queries: np.ndarray, radius: float) -> list[list[int]]:
    return [[i for i, d in enumerate(database) if np.sqrt(((d - q) ** 2).sum()) <= radius] for q in queries]


def test_radius_is_inclusive_and_equals_loops():
    rng = np.random.default_rng(3)
    database, queries = rng.uniform(0, 200, (300, 2)), rng.uniform(0, 200, (40, 2))
    database[0] = [64.0, 128.0]
    queries[0] = [71.0, 152.0]  # 7, 24 and 25 are whole numbers: nothing rounds
    queries[1] = [1e6, 1e6]
    found = within_radius(database, queries, 25.0)
    assert [row.tolist() for row in found] == brute_force(database, queries, 25.0)
    assert 0 in found[0]
    assert len(found[1]) == 0


def test_exactly_on_the_radius():
    assert within_radius(np.array([[3.0, 4.0]]), np.array([[0.0, 0.0]]), 5.0)[0].tolist() == [0]
    assert within_radius(np.array([[3.0, 4.0]]), np.array([[0.0, 0.0]]), 4.999999).numbers.size == 0


def test_unknown_positions_are_never_positive():
    database = np.array([[np.nan, 0.0], [0.0, 0.0]])
    assert [row.tolist() for row in within_radius(database, np.array([[0.0, 0.0], [np.nan, 1.0]]), 10)] == [[1], []]


def records(rows: list[dict]) -> Records:
    return Records.from_rows("/", [{"name": f"{i}.jpg", **row} for i, row in enumerate(rows)])


def test_across_the_equator_and_the_date_line():
    database = records([{"latitude": 0.00005, "longitude": 9.0}, {"latitude": 10.0, "longitude": -179.99999}])
    queries = records([{"latitude": -0.00005, "longitude": 9.0}, {"latitude": 10.0, "longitude": 179.99999}])
    assert [row.tolist() for row in zone_aware(database, queries, 25)] == [[0], [1]]
    assert [row.tolist() for row in planar(database, queries, 25)] == [[], []]


@pytest.mark.parametrize("longitude", [3.5, 5.99])
def test_the_wide_zone_of_norway_has_neighbours_to_the_south(longitude):
    """56 N divides 32V from 31U: 11 m apart are 11 m apart, whichever of the two asks."""
    inside, outside = records([{"latitude": 56.00005, "longitude": longitude}]), records(
        [{"latitude": 55.99995, "longitude": longitude}])  # fmt: skip
    assert (inside.zone[0], outside.zone[0]) == (32, 31)
    for database, queries in ((inside, outside), (outside, inside)):
        assert zone_aware(database, queries, 25)[0].tolist() == [0]
        assert zone_aware(database, queries, 10)[0].tolist() == []


def test_a_record_without_zone_joins_every_zone_by_its_numbers():
    database = records([{"east": 400000.0, "north": 5e6}, {"east": 400000.0, "north": 5e6, "zone": 31}])
    queries = records([{"east": 400001.0, "north": 5e6, "zone": 32}])
    assert [row.tolist() for row in zone_aware(database, queries, 25)] == [[0]]


@pytest.mark.parametrize("south", [False, True])
def test_so_it_does_on_either_side_of_the_equator(south):
    database = records([{"east": 400000.0, "north": 5e6}, {"east": 400000.0, "north": 5e6, "zone": 31, "south": south}])
    asked = [{"east": 400001.0, "north": 5e6, "zone": 32, "south": side} for side in (south, not south)]
    assert [row.tolist() for row in zone_aware(database, records(asked[:1]), 25)] == [[0]]
    assert [row.tolist() for row in zone_aware(database, records(asked), 25)] == [[0], [0]]
    unplaced = records([{"east": 400001.0, "north": 5e6}, *asked])
    assert [row.tolist() for row in zone_aware(database, unplaced, 25)] == [[0, 1], [0], [0]]


def test_a_zone_without_its_band_is_told(tmp_path):
    (tmp_path / "a.csv").write_text("path,east,north,zone\na.jpg,1,2,56\nb.jpg,1,2,56J\n")
    table = read_records(tmp_path / "a.csv")
    assert table.south.tolist() == [False, True]
    assert "1 of 2 rows have a UTM zone without its latitude band and count as northern" in table.notices[0]


def test_frame_window_is_clipped():
    assert [row.tolist() for row in frame_window(np.arange(4), np.arange(3), 1)] == [[0, 1], [0, 1, 2], [1, 2, 3]]
    assert [row.tolist() for row in frame_window(np.arange(2), np.arange(4), 1)] == [[0, 1], [0, 1], [1], []]


def test_positives_are_sorted_without_repeats():
    found = Positives.of([[3, 1, 3], [], [0]])
    assert [row.tolist() for row in found] == [[1, 3], [], [0]]
    assert found.counts.tolist() == [2, 0, 1]


def write_truth(root: Path, text: str) -> Path:
    path = root / "truth.csv"
    path.write_text(text)
    return path


def test_a_ground_truth_file_chooses(photo_set):
    database = sorted(p.name for p in (photo_set / "database").iterdir())
    queries = sorted(p.name for p in (photo_set / "queries").iterdir())
    path = write_truth(photo_set, f"query,positives\nqueries/{queries[0]},database/{database[5]}|{database[2]}\n")
    benchmark = open_benchmark(photo_set, ground_truth=path)
    assert benchmark.positives[0].tolist() == [2, 5]
    assert benchmark.positives.counts[1:].sum() == 0
    assert "truth.csv" in benchmark.rule


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("query,positives\nqueries/nobody.jpg,\n", "line 2.*nobody.jpg"),
        ("query,positives\na,b,c\n", "line 2"),
        ("q,p\nx,y\n", "columns 'query' and 'positives'"),
        ("", "empty"),
    ],
)
def test_a_bad_ground_truth_file_is_named_with_its_line(photo_set, text, message):
    path = write_truth(photo_set, text)
    with pytest.raises(DataError, match=f"truth.csv.*{message}"):
        open_benchmark(photo_set, ground_truth=path)


def test_a_short_name_that_fits_several_images_is_refused(tmp_path):
    for folder in ("database/p1", "database/p2", "queries"):
        (tmp_path / folder).mkdir(parents=True)
        Image.fromarray(picture(len(folder))).save(tmp_path / folder / "x.jpg")
    records = open_records(tmp_path / "database")
    path = write_truth(tmp_path, "query,positives\nx.jpg,x.jpg\n")
    with pytest.raises(DataError, match="line 2: positive 'x.jpg' is not among.*or fits several"):
        read_csv(path, records, open_records(tmp_path / "queries"))


def test_an_unknown_rule_names_what_is_there(photo_set):
    with pytest.raises(ConfigError, match="zone_awar.*did you mean 'zone_aware'"):
        open_benchmark(photo_set, ground_truth="zone_awar")
    with pytest.raises(ConfigError, match="frames:N"):
        open_benchmark(photo_set, ground_truth="frames:two")


def test_unreadable_zones_are_planar_with_a_count_or_an_error(tmp_path):
    for role in ("database", "queries"):
        (tmp_path / role).mkdir()
    for number, zone in enumerate(("32@T", "x@022")):
        name = at_name(400_000 + number, 5_000_000, zone=zone)
        Image.fromarray(picture(number)).save(tmp_path / "database" / name)
        Image.fromarray(picture(number + 9)).save(tmp_path / "queries" / name)
    benchmark = open_benchmark(tmp_path)
    assert [row.tolist() for row in benchmark.positives] == [[0, 1], [0, 1]]
    assert any("2 records have no readable UTM zone" in notice for notice in benchmark.notices)
    with pytest.raises(DataError, match="no readable UTM zone"):
        open_benchmark(tmp_path, strict=True)


def test_a_benchmark_refuses_numbers_beyond_its_database(photo_set):
    benchmark = open_benchmark(photo_set)
    with pytest.raises(DataError, match="database image 99"):
        Benchmark("x", benchmark.database, benchmark.queries, Positives.of([[99]] * 16), "rule")
    with pytest.raises(DataError, match="ground truth for 1 queries"):
        Benchmark("x", benchmark.database, benchmark.queries, Positives.of([[0]]), "rule")


def test_radius_without_positions_is_an_error(tmp_path):
    for role in ("database", "queries"):
        (tmp_path / role).mkdir()
        Image.fromarray(picture(1)).save(tmp_path / role / "a.jpg")
    assert open_benchmark(tmp_path).positives is None
    with pytest.raises(DataError, match="needs positions"):
        open_benchmark(tmp_path, ground_truth="planar")
