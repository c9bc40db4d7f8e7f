"""Searching maps by sentences: over captions with the real MiniLM, filtered, kept beside the map; and by command."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vprkit
from vprkit.backbones import text_encoder
from vprkit.cli.app import app
from vprkit.data.benchmark import open_records
from vprkit.data.columns import StringColumn
from vprkit.errors import ConfigError, DataError
from vprkit.retrieval import captions
from vprkit.retrieval.map import Map
from vprkit.retrieval.text_search import Filter, search_text

CAPTIONS = {
    "church": "A red-brick church beside a petrol station, broad trees.",
    "bakery": "A bakery under a blue awning in a narrow street at night.",
    "harbour": "Sailing boats in a harbour, a white lighthouse behind them.",
    "tower": "",
}
CONDITIONS = ("day", "night", "day", "night")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos with positions 100 m apart, and a table of descriptions beside their folder."""
    root = tmp_path / "photos"
    root.mkdir()
    lines = ["image_path,description"]
    for number, (name, caption) in enumerate(CAPTIONS.items()):
        pixels = np.full((24, 24, 3), 40 * number + 20, np.uint8)
        file = f"@{550000 + 100 * number:010.2f}@4180000.00@10@S@@@{name}@@@@@@@{CONDITIONS[number]}@.png"
        Image.fromarray(pixels).save(root / file)
        lines.append(f'photos/{file},"{caption}"')
    (tmp_path / "descriptions.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def place_map(folder: Path) -> Map:
    records = open_records(folder / "photos", texts=folder / "descriptions.csv")
    return Map.build(records, vprkit.load_method("thumbnail"), folder / "map")


def found(place_map: Map, sentence: str, only: Filter | None = None, top: int = 1) -> list[str]:
    (answer,) = search_text(place_map, [sentence], top, only=only)
    return [next(name for name in CAPTIONS if name in hit.name) for hit in answer.hits]


def test_captions_answer_by_meaning(place_map: Map) -> None:
    assert found(place_map, "a chapel of bricks next to a gas station") == ["church"]
    assert found(place_map, "ships at the sea") == ["harbour"]
    everything = found(place_map, "a street", top=10)
    assert sorted(everything) == ["bakery", "church", "harbour"]  # what has no caption cannot be found
    (answer,) = search_text(place_map, ["ships at the sea"], 1)
    assert answer.hits[0].text == CAPTIONS["harbour"] and answer.hits[0].score < 1


def test_filters_by_place_and_condition(place_map: Map) -> None:
    church = place_map.records.with_latlon()
    row = next(row for row, name in enumerate(church.names) if "church" in name)
    point = (float(church.latitude[row]), float(church.longitude[row]))
    assert found(place_map, "ships at the sea", Filter(point, 50), 9) == ["church"]
    assert sorted(found(place_map, "ships at the sea", Filter(point, 150), 9)) == ["bakery", "church"]
    assert found(place_map, "ships at the sea", Filter(condition="night"), 9) == ["bakery"]
    with pytest.raises(DataError, match="has the condition 'snow'; known: day, night"):
        found(place_map, "ships", Filter(condition="snow"))
    with pytest.raises(DataError, match="no image of this map passes the filter"):
        found(place_map, "ships", Filter((0.0, 0.0), 10))
    with pytest.raises(ConfigError, match="both the point and the metres"):
        Filter(near=point)
    with pytest.raises(ConfigError, match="the sentence is empty"):
        found(place_map, "  ")


def test_captions_are_encoded_once_and_added_ones_alone(
    place_map: Map, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    encode = text_encoder.encode_texts
    monkeypatch.setattr(captions, "encode_texts", lambda reader, texts: (seen.extend(texts), encode(reader, texts))[1])
    found(place_map, "a church")
    assert seen == [*(place_map.records.texts["text"]), "a church"]
    seen.clear()
    found(Map.open(place_map.folder), "a tower")
    assert seen == ["a tower"]
    seen.clear()
    Image.fromarray(np.full((24, 24, 3), 250, np.uint8)).save(folder / "more.png")
    extra = open_records(folder / "photos").take(np.array([0]))
    extra = dataclasses.replace(
        extra,
        root=folder,
        names=StringColumn.of(["more.png"]),
        texts={"text": StringColumn.of(["A tower with a clock."])},
    )
    place_map.add(extra)
    (answer,) = search_text(place_map, ["the clock on a tower"], 1)
    assert answer.hits[0].name.endswith("more.png") and seen == ["A tower with a clock.", "the clock on a tower"]
    seen.clear()
    search_text(place_map, ["a tower"], 1)
    assert seen == ["a tower"]  # the index stays with the map
    (folder / "damaged.npy").write_bytes(b"damaged")
    (folder / "damaged.npy").replace(place_map.folder / "captions" / "minilm.npy")
    (answer,) = search_text(Map.open(place_map.folder), ["the clock on a tower"], 1)
    assert answer.hits[0].name.endswith("more.png")


def test_removed_images_do_not_answer(place_map: Map) -> None:
    (answer,) = search_text(place_map, ["ships at the sea"], 1)
    place_map.remove([answer.hits[0].name])
    assert (
        found(place_map, "ships at the sea", top=9) == ["bakery", "church"]
        or len(found(place_map, "ships at the sea", top=9)) == 2
    )


def test_a_map_without_captions_says_how_to_get_some(folder: Path) -> None:
    silent = Map.build(folder / "photos", vprkit.load_method("thumbnail"), folder / "silent")
    with pytest.raises(DataError, match="silent has no captions to search .*--texts CSV, or with lavpr-crossmodal"):
        search_text(silent, ["ships"])


def test_the_command(place_map: Map, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit):
            app(["search", str(place_map.folder), *arguments])
        return capsys.readouterr().out

    (answer,) = json.loads(
        run("ships at the sea", "--top", "1", "--json", "--near", "37.76,-122.43", "--within", "5000")
    )
    assert "harbour" in answer["hits"][0]["name"]
    assert "bakery" in run("ships at the sea", "--condition", "night")
