"""What describing will take is said first, of a new map and of one that is there."""

import re

import pytest

from tests.retrieval.test_forecast import Dense
from vprkit.cli.forecasts import forecast_map, forecast_set
from vprkit.data.benchmark import open_records
from vprkit.evaluation.two_stage import Second
from vprkit.method import Method
from vprkit.preprocessing import Preprocessing
from vprkit.rerank.mutual_matches import MutualMatches
from vprkit.retrieval.map import Map


def megabytes(told):
    return float(re.search(r"at most ([\d,.]+) MB in", told)[1].replace(",", ""))


def test_a_map_takes_about_what_was_forecast(photo_set, tmp_path, capsys):
    records = open_records(photo_set / "queries")
    method, place = Method.from_module(Dense(), device="cpu"), tmp_path / "m"
    forecast_map(method, len(records), place, "float32")
    told = capsys.readouterr().err
    assert told.startswith("16 images x 4 numbers and 0.02 MB of local features: at most ")
    Map.build(records, method, place, local="float32")
    taken = sum(path.stat().st_size for path in (place / "store").iterdir()) / 1e6
    assert megabytes(told) == pytest.approx(taken, rel=0.05, abs=0.05)
    forecast_map(method, len(records), place)  # `map add`, or the same build without --local: the map keeps them
    assert capsys.readouterr().err == told


def test_images_of_their_own_size_leave_it_open(tmp_path, capsys):
    method = Method.from_module(Dense(), Preprocessing(fit="none"), device="cpu")
    forecast_map(method, 1000, tmp_path / "m", "int8")
    assert "at most 0.3 MB in" in (told := capsys.readouterr().err)
    assert told.endswith("and local features as large as each image makes them\n")


def test_an_evaluation_says_it_too(tmp_path, capsys):
    method = Method.from_module(Dense(), device="cpu")
    forecast_set(method, None, 2000, tmp_path / "features")
    assert capsys.readouterr().err == f"2,000 images x 4 numbers: at most 0.6 MB in {tmp_path}/features\n"
    forecast_set(method, Second(3, "store", "int8", reranker=MutualMatches()), 2000, tmp_path / "features")
    assert "local features of 2000 images as int8: 0.01 GB in" in capsys.readouterr().err
