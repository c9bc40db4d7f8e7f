"""Every `expected.json` below VPRKIT_FIXTURES (else the shared fixtures, else our own) is what our readers give.

What is expected comes from the files alone, so that fixtures of other seeds run too.
"""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vprkit.data.benchmark import Benchmark, open_benchmark
from vprkit.data.geo import great_circle
from vprkit.data.layouts.at import format_name
from vprkit.data.layouts.dbstruct import read_dbstruct
from vprkit.data.layouts.pittsburgh import QUERIES
from vprkit.data.msls import Sequences, Split, read_split
from vprkit.data.places import open_places
from vprkit.data.positives import within_radius

OWN = Path(__file__).parent
SHARED = OWN.parents[2] / "shared" / "dataset-fixtures"
ROOT = Path(os.environ.get("VPRKIT_FIXTURES") or (SHARED if SHARED.is_dir() else OWN))

Expected = dict[str, Any]


def kind_of(expected: Expected) -> str:
    if "positives_geographic_25m" in expected:
        return "at"
    if "image_names_in_csv_row_order" in expected:
        return "gsv"
    if "utm_database" in expected:
        return "pittsburgh"
    return "msls" if any("arguments" in entry for entry in expected.values() if isinstance(entry, dict)) else "unknown"


FOUND = [(path.parent, json.loads(path.read_text(encoding="utf-8"))) for path in sorted(ROOT.rglob("expected.json"))]


def fixtures(kind: str) -> list[Any]:
    return [
        pytest.param(folder, expected, id=folder.relative_to(ROOT).as_posix())
        for folder, expected in FOUND
        if kind_of(expected) == kind
    ]


def msls_cases(training: bool = True) -> list[Any]:
    """One case per configuration; those of training, which `read_split` alone reads, only where they are wanted."""
    return [
        pytest.param(folder, expected[name], id=f"{folder.relative_to(ROOT).as_posix()}-{name}")
        for folder, expected in FOUND
        if kind_of(expected) == "msls"
        for name in expected
        if "arguments" in expected[name] and (training or "non_negatives" not in expected[name])
    ]


def test_every_fixture_has_a_reader():
    assert FOUND, f"no expected.json below {ROOT}"
    assert [folder for folder, expected in FOUND if kind_of(expected) == "unknown"] == []


@pytest.mark.parametrize(("folder", "expected"), fixtures("at"))
def test_at_fixture(folder: Path, expected: Expected):
    rules = {"zone_aware": "positives_geographic_25m", "planar": "positives_naive_planar_25m"}
    for rule, key in rules.items():
        benchmark = open_benchmark(folder, ground_truth=rule)
        for records, rows in ((benchmark.database, expected["database"]), (benchmark.queries, expected["queries"])):
            assert [name.split("/")[-1] for name in records.names] == [row["name"] for row in rows]
            placed = records.with_latlon()
            assert np.allclose(placed.latitude, [row["lat"] for row in rows], rtol=0, atol=1e-5)
            assert np.allclose(placed.longitude, [row["lon"] for row in rows], rtol=0, atol=1e-5)
        assert [row.tolist() for row in benchmark.positives] == expected[key]
    # Names hold five decimals of a degree: distances follow to some two metres.
    database, queries = benchmark.database.with_latlon(), benchmark.queries.with_latlon()
    for number, metres in enumerate(expected["great_circle_m"]):
        found = great_circle(queries.latitude[number], queries.longitude[number], database.latitude, database.longitude)
        assert np.allclose(found, metres, rtol=1e-6, atol=3)


@pytest.mark.parametrize(("folder", "expected"), fixtures("gsv"))
def test_gsv_cities_fixture(folder: Path, expected: Expected):
    order = expected["city_order"]
    places = open_places(folder, min_images=1, groups=order)
    base = np.array([name.split("/")[-1] for name in places.records.names])
    for position, city in enumerate(order):
        assert base[places.groups == position].tolist() == expected["image_names_in_csv_row_order"][city]
    assert all(record.path.is_file() for record in places.records)
    for least, truth in expected["min_images"].items():
        kept = open_places(folder, min_images=int(least), groups=order)
        assert (len(kept), len(kept.places)) == (truth["images"], truth["places"])
        assert kept.places.tolist() == truth["place_ids_sorted_with_city_prefix"]
    newest = open_places(folder, min_images=2, groups=order).newest(2)
    for label, names in expected["two_newest_images_per_place"].items():
        picked = np.flatnonzero(newest.labels == int(label))
        assert [newest.records.names[int(row)].split("/")[-1] for row in picked] == names


def split_of(folder: Path, arguments: Expected) -> Split:
    cities = arguments.get("cities")
    return read_split(
        folder,
        arguments["mode"],
        cities=cities.split(",") if isinstance(cities, str) else cities,
        task=arguments.get("task", "im2im"),
        length=arguments.get("seq_length", 3),
        subtask=arguments.get("subtask", "all"),
        panoramas=not arguments.get("exclude_panos", True),
        radius=arguments.get("posDistThr"),
    )


@pytest.mark.parametrize(("folder", "expected"), msls_cases())
def test_msls_fixture(folder: Path, expected: Expected):
    split = split_of(folder, expected["arguments"])
    assert split.queries.names() == expected["query_images"]
    assert split.database.names() == expected["database_images"]
    assert split.kept.tolist() == expected["kept_query_indices"]
    if "positives" in expected:
        assert [split.positives[row].tolist() for row in split.kept] == expected["positives"]
    if "non_negatives" in expected:
        assert [split.non_negatives[row].tolist() for row in split.kept] == expected["non_negatives"]
        assert split.sampling_weights().tolist() == expected["sampling_weights"]
        assert np.flatnonzero(split.queries.night[split.kept]).tolist() == expected["night_positions"]
        assert np.flatnonzero(split.queries.sideways[split.kept]).tolist() == expected["sideways_positions"]


@pytest.mark.parametrize(("folder", "expected"), msls_cases(training=False))
def test_msls_fixture_through_open_benchmark(folder: Path, expected: Expected):
    arguments = expected["arguments"]
    cities = arguments.get("cities")
    asked: dict[str, Any] = {
        "cities": cities.split(",") if cities else None, "subtask": arguments.get("subtask", "all"),
        "panoramas": not arguments.get("exclude_panos", True), "radius": arguments.get("posDistThr"),
        "task": arguments.get("task"), "length": arguments.get("seq_length"),
    }  # fmt: skip
    benchmark = open_benchmark(folder, arguments["mode"], **asked)
    kept = [expected["query_images"][row] for row in expected["kept_query_indices"]]
    assert items_of(benchmark, "queries") == kept
    assert items_of(benchmark, "database") == expected["database_images"]
    if "positives" in expected:
        assert [row.tolist() for row in benchmark.positives] == expected["positives"]
        everything = open_benchmark(folder, arguments["mode"], answerable_only=False, **asked)
        assert items_of(everything, "queries") == expected["query_images"]
    else:
        assert benchmark.positives is None


def items_of(benchmark: Benchmark, role: str) -> list[str]:
    """Images, or the images of each sequence joined by commas."""
    if benchmark.frames is None:
        return list(benchmark.images()[role].names)
    frames = getattr(benchmark.frames, role)
    return [",".join(frames.names(item)) for item in range(len(frames.rows))]


def at_names_of(sequences: Sequences) -> dict[str, str]:
    records = sequences.records.with_utm_of_degrees()
    return {
        record.name: format_name(
            dataclasses.replace(record, heading=None), Path(record.name).stem, note=records.text("note", row)
        )
        for row, record in enumerate(records)
    }


@pytest.mark.parametrize(("folder", "expected"), fixtures("msls"))
def test_msls_fixture_at_names(folder: Path, expected: Expected):
    found: dict[str, str] = {}
    for city in dict.fromkeys(name.split("/")[1] for name in expected["at_names"]):
        split = read_split(folder, "train", cities=[city])
        found |= at_names_of(split.queries) | at_names_of(split.database)
    assert {name: found.get(name) for name in expected["at_names"]} == expected["at_names"]


@pytest.mark.parametrize(("folder", "expected"), fixtures("pittsburgh"))
def test_pittsburgh_fixture(folder: Path, expected: Expected):
    listed = next((folder / "datasets").glob("*.mat"))
    struct = read_dbstruct(listed)
    assert (struct.which_set, struct.radius) == (expected["which_set"], expected["threshold_m"])
    assert (struct.database, struct.queries) == (expected["database"], expected["queries"])
    assert (len(struct.database), len(struct.queries)) == (expected["num_database"], expected["num_queries"])
    assert np.array_equal(struct.utm_database, expected["utm_database"])
    assert np.array_equal(struct.utm_queries, expected["utm_queries"])
    found = within_radius(struct.utm_database, struct.utm_queries, struct.radius)
    assert [row.tolist() for row in found] == expected["positives_sorted"]
    benchmark = open_benchmark(folder, expected["which_set"])
    assert [row.tolist() for row in benchmark.positives] == expected["positives_sorted"]
    assert expected["query_prefix"] == f"{QUERIES}/"
    names = [*benchmark.database.names, *benchmark.queries.names]
    assert names == [*struct.database, *(f"{QUERIES}/{name}" for name in struct.queries)]
    assert all((folder / name).is_file() for name in names)
    made = {}
    for records in (benchmark.database.with_latlon(), benchmark.queries.with_latlon()):
        for row, record in enumerate(records):
            image, tile, note = (records.text(column, row) for column in ("id", "tile", "note"))
            made[record.name] = format_name(record, image, tile, note)
    assert made == expected["at_names"]
