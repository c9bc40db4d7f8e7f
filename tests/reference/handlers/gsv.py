"""GSV-Cities: names, labels and choices of every system against our reader."""

import re
import tempfile
from pathlib import Path

from tests.reference.runner import Case, handles
from vprkit.data.places import PlaceSet, open_places
from vprkit.methods.pairvpr.stage_two import PairVPRRecipe


@handles("rerankvpr/gsv_file_names")
def rerankvpr(case: Case) -> None:
    config, expected = case.config, case.json["output"]
    places = _opened(config["csv"], config["cities"], config["min_img_per_place"])
    assert len(places.places) == expected["number_of_places"]
    assert len(places) == expected["number_of_images"]
    newest = places.newest(config["img_per_place"])
    assert {str(label) for label in places.places} == set(expected["places"])
    for label, truth in expected["places"].items():
        assert sorted(_names(places, int(label))) == sorted(truth["all_files"])
        (first,) = (names for key, names in truth.items() if re.fullmatch(r"first_\w+_when_not_random", key))
        assert _names(newest, int(label)) == first


@handles("pairvpr/gsv_catalogue")
def pairvpr(case: Case) -> None:
    tables = {}
    for city, rows in case.json["csv_rows"].items():
        lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
        tables[city] = "\n".join(lines) + "\n"
    places = _opened(tables, case.json["cities"], case.json.get("min_img_per_place", PairVPRRecipe().min_images))
    assert {str(label) for label in places.places} == set(case.json["places"])
    for label, files in case.json["places"].items():
        rows = (places.labels == int(label)).nonzero()[0]
        assert sorted(places.records.names[int(row)] for row in rows) == sorted(files)
    sequence = [int(places.groups[(places.labels == label).argmax()]) for label in places.places]
    assert sequence == case.json["city_index_sequence"]


def _opened(tables: dict[str, str], cities: list[str], least: int) -> PlaceSet:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        (root / "Images").mkdir()
        (root / "Dataframes").mkdir()
        for city, text in tables.items():
            (root / "Dataframes" / f"{city}.csv").write_text(text, encoding="utf-8")
        return open_places(root, min_images=least, groups=cities)


def _names(places: PlaceSet, label: int) -> list[str]:
    rows = (places.labels == label).nonzero()[0]
    return [places.records.names[int(row)].split("/")[-1] for row in rows]
