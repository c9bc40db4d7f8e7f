import json

import pytest

from tests.evaluation.answers import answers
from vprkit.errors import DataError
from vprkit.evaluation.result import Result


@pytest.fixture(scope="module")
def saved():
    return json.loads(answers(5).to_json())


def put(data, path, value):
    *keys, last = path
    for key in keys:
        data = data[key]
    data[last] = value


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (("rankings", 3, "scores"), ["high"] * 10, r"'rankings\[3\].scores' is of the wrong type"),
        (("rankings", 3, "scores"), [0.5] * 11, r"rankings\[3\]' has more or fewer scores"),
        (("rankings", 3, "scores"), [10**400] * 10, r"rankings\[3\].scores"),
        (("rankings", 3, "ranking"), "0123456789", r"rankings\[3\].ranking"),
        (("rankings", 3, "ranking"), [10**6] * 10, r"rankings\[3\]' names database images"),
        (("rankings", 3, "truth"), -1, r"rankings\[3\]' names database images"),
        (("rankings", 3, "first_hit"), True, r"rankings\[3\].first_hit"),
        (("rankings", 3, "position", "zone"), 10**30, r"rankings\[3\].position"),
        (("rankings", 3, "position", "zone"), 70, "no zone 70"),
        (("images", "0", "position", "east"), "far", r"images\[0\].position"),
        (("images", "0", "name"), 7, r"images\[0\].name"),
        (("queries",), "many", "'queries'"),
        (("recalls",), {"1": "all"}, "'recalls'"),
        (("identity",), ["hog"], "'identity'"),
        (("conditions",), {"night": {"R@1": "all"}}, "'conditions'"),
        (("intervals",), {"1": ["low", "high"]}, "'intervals'"),
    ],
    ids=[
        "words for scores",
        "too many scores",
        "huge scores",
        "a word for a ranking",
        "unknown images",
        "unknown truth",
        "yes for a rank",
        "huge zone",
        "no zone",
        "words for metres",
        "number for a name",
        "words for a count",
        "words for recall",
        "list for an identity",
        "words for a condition",
        "words for an interval",
    ],
)
def test_results_of_other_types_are_refused(saved, tmp_path, path, value, why):
    data = json.loads(json.dumps(saved))
    put(data, path, value)
    (tmp_path / "run.json").write_text(json.dumps(data))
    with pytest.raises(DataError, match=why):
        Result.load(tmp_path / "run.json")


def test_numbers_that_are_missing_are_read(saved, tmp_path):
    data = json.loads(json.dumps(saved))
    put(data, ("rankings", 3, "scores"), [*data["rankings"][3]["scores"][:6], *[None] * 4])
    put(data, ("recalls",), {"1": None})
    (tmp_path / "run.json").write_text(json.dumps(data))
    assert Result.load(tmp_path / "run.json").rankings[3].scores[6:] == [None] * 4


def test_files_nested_beyond_reading_are_refused(tmp_path):
    (tmp_path / "run.json").write_text('{"a":' * 100_000)
    with pytest.raises(DataError, match="not a result"):
        Result.load(tmp_path / "run.json")
