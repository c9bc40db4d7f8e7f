"""Methods that read texts beside photos, or texts alone in queries: describing, storing, searching, evaluating."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import vprkit
from vprkit.data.columns import StringColumn
from vprkit.errors import ConfigError, DataError
from vprkit.evaluation.confidence import judged
from vprkit.features import Features
from vprkit.method import IMAGES, TEXTS, Method, Modality, Multimodal, Role
from vprkit.preprocessing import Preprocessing
from vprkit.retrieval.build import describe_into
from vprkit.retrieval.confidence import Confidence
from vprkit.retrieval.evidence import NAMES
from vprkit.retrieval.index_rows import index_rows
from vprkit.retrieval.logistic import Logistic
from vprkit.retrieval.store import FeatureStore
from vprkit.retrieval.text_search import Filter, search_text

WORDS = ("red", "green", "blue")
SMALL = Preprocessing(size=(8, 8))


class Joined(nn.Module):
    """Mean colours of images beside counts of colour words; a text that is missing counts nothing."""

    def __init__(
        self, of_query: frozenset[Modality] = IMAGES | TEXTS, of_database: frozenset[Modality] = IMAGES | TEXTS
    ):
        super().__init__()
        self.read = {"query": of_query, "database": of_database}
        self.seen: list[str] = []

    def reads(self, role: Role) -> frozenset[Modality]:
        return self.read[role]

    def forward(self, images: Tensor | None, texts: Sequence[str] | None) -> Features:
        said = None
        if texts is not None:
            self.seen += texts
            said = torch.tensor([[text.split().count(word) for word in WORDS] for text in texts]).float()
        if images is None:
            assert said is not None
            return Features(said)
        seen = images.mean((2, 3))
        weight = None if said is None else said.sum(1, keepdim=True).clamp(max=1)
        return Features(seen, text=said, weight=weight)

    def index_vectors(self, features: Features, role: Role) -> Tensor:
        if features.text is None or features.weight is None:
            return features.global_
        gates = (features.weight, torch.ones_like(features.weight))
        first, second = gates if role == "query" else gates[::-1]
        return torch.cat([features.global_ * first, features.text * second], 1)

    def decides(self, configuration: Mapping[str, Any]) -> Mapping[str, Any]:
        return {key: value for key, value in configuration.items() if key != "mode"}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve photos with texts; every fourth has none."""
    root = tmp_path_factory.mktemp("texts")
    for role, count in (("database", 12), ("queries", 4)):
        folder = root / "images" / "test" / role
        folder.mkdir(parents=True)
        for number in range(count):
            colour = np.zeros((16, 16, 3), np.uint8)
            colour[..., number % 3] = 255 - 10 * number
            Image.fromarray(colour).save(
                folder / f"@{500000 + 100 * number:010.2f}@4180000.00@10@S@@@{number}@@@@@@@@.png"
            )
    return root


def described(records: Any, every: int = 4) -> Any:
    texts = StringColumn.of("" if row % every == 3 else f"a {WORDS[row % 3]} wall" for row in range(len(records)))
    return dataclasses.replace(records, texts={**records.texts, "text": texts})


def method(network: Joined | None = None, **configuration: Any) -> Method:
    return Method(network or Joined(), SMALL, name="joined", configuration=configuration, device="cpu")


def records(photos: Path, role: str = "database") -> Any:
    return described(getattr(vprkit.open_benchmark(photos), role))


def test_only_networks_that_read_texts_are_given_some() -> None:
    assert isinstance(Joined(), Multimodal) and not isinstance(nn.Linear(2, 2), Multimodal)
    plain = vprkit.load_method("thumbnail")
    with pytest.raises(ConfigError, match="'thumbnail' describes photos, not texts"):
        plain.describe(texts=["a wall"])
    images = [np.full((8, 8, 3), value, np.uint8) for value in (0, 255)]
    both = method().describe(images, texts=["red red", ""])
    assert both.text is not None and both.text.tolist() == [[2, 0, 0], [0, 0, 0]]
    alone = method().describe(texts=["blue", "green red"], batch_size=1)
    assert alone.global_.tolist() == [[0, 0, 1], [1, 1, 0]] and alone.text is None
    with pytest.raises(vprkit.VprError, match="2 images and 1 texts"):
        method().describe(images, texts=["x"])


def test_texts_and_weights_are_stored_beside_the_vectors(photos: Path, tmp_path: Path) -> None:
    mine, wanted = method(), records(photos)
    built = describe_into(tmp_path / "store", mine, wanted)
    store = FeatureStore.open(tmp_path / "store")
    assert store.beside == {"text": 3, "weight": 1} and store.dimension == 3 and not store.verify()
    expected = mine.describe([wanted.path(row) for row in range(12)], texts=list(wanted.texts["text"])).cpu()
    found = store.features(built.rows)
    assert found.text is not None and expected.text is not None and torch.equal(found.text, expected.text)
    torch.testing.assert_close(found.global_, expected.global_)
    assert mine.index_vectors(found).shape == (12, 6)


def test_another_text_is_described_again_and_nothing_else(photos: Path, tmp_path: Path) -> None:
    wanted = records(photos)
    describe_into(tmp_path / "store", method(), wanted)
    texts = list(wanted.texts["text"])
    texts[5] = "blue blue"
    changed = dataclasses.replace(wanted, texts={"text": StringColumn.of(texts)})
    network = Joined()
    again = describe_into(tmp_path / "store", method(network), changed)
    assert again.described == 1 and network.seen.count("blue blue") == 1
    kept = FeatureStore.open(tmp_path / "store").features(again.rows).text
    assert kept is not None and kept[5].tolist() == [0, 0, 2]
    assert describe_into(tmp_path / "store", method(), changed).described == 0


def test_options_of_comparing_are_no_part_of_the_identity() -> None:
    assert method(mode="ads").identity() == method(mode="concat").identity()
    assert method(size=3).identity() != method(size=4).identity()


def test_records_without_texts_are_refused_by_a_method_that_reads_them(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'joined' reads texts, but these images have none"):
        describe_into(tmp_path / "store", method(), vprkit.open_benchmark(photos).database)


def test_a_map_answers_photos_with_and_without_a_text(photos: Path, tmp_path: Path) -> None:
    built = vprkit.Map.build(records(photos), method(), tmp_path / "map")
    query = records(photos, "queries").path(1)
    alone, said = built.locate(query), built.locate(query, text="blue " * 40)
    assert alone.hits != said.hits
    assert said.hits[0].text == "a blue wall"
    opened = vprkit.Map.open(tmp_path / "map", method=method())
    assert opened.locate(query, text="blue " * 40) == said
    plain = vprkit.Map.build(
        photos / "images" / "test" / "database", vprkit.load_method("thumbnail"), tmp_path / "plain"
    )
    with pytest.raises(ConfigError, match="'thumbnail' does not join a text with a photo"):
        plain.locate(query, text="blue")


def test_texts_may_ask_for_photos(photos: Path, tmp_path: Path) -> None:
    crossing = method(Joined(TEXTS, IMAGES))
    benchmark = vprkit.open_benchmark(photos)
    benchmark = dataclasses.replace(benchmark, queries=described(benchmark.queries, every=5))
    for path in (benchmark.queries.path(row) for row in range(4)):
        assert path.is_file()
    result = vprkit.evaluate(crossing, benchmark, ks=(1,), features=tmp_path / "features")
    assert result.recalls[1] == 75.0  # query k asks for colour k % 3, and place 3 shares its colour with place 0
    (queries,) = (tmp_path / "features").glob("queries-*")
    assert FeatureStore.open(queries).beside == {}


def test_answers_to_texts_are_as_sure_as_those_of_an_evaluation(photos: Path, tmp_path: Path) -> None:
    crossing = method(Joined(TEXTS, IMAGES))
    benchmark = vprkit.open_benchmark(photos)
    benchmark = dataclasses.replace(benchmark, queries=described(benchmark.queries, every=5))
    result = vprkit.evaluate(crossing, benchmark, ks=(1, 10))
    model = Logistic((0.5,) * len(NAMES), (1.0,) * len(NAMES), (0.5,) * len(NAMES), 0.0)
    fitted = Confidence(crossing.identity(), None, "text", 10, (), model)
    place_map = vprkit.Map.build(photos / "images" / "test" / "database", crossing, tmp_path / "map")
    asked = [(row.text, sure) for row, sure in zip(result.rankings, judged(fitted, result).tolist(), strict=True)]
    sentences = [text for text, _ in asked if text]
    assert len(sentences) == 3 and all(place.confidence is None for place in search_text(place_map, sentences))
    place_map.calibrate(dataclasses.replace(fitted, asks="photo"))
    assert search_text(place_map, sentences)[0].confidence is None
    place_map.calibrate(fitted, overwrite=True)
    found = search_text(place_map, sentences, top=1)
    assert [place.confidence for place in found] == pytest.approx([sure for text, sure in asked if text], abs=1e-6)
    near = Filter(near=(37.77, -123.0), within=1e6)
    assert search_text(place_map, sentences, only=near)[0].confidence is None  # others might have answered


def test_what_is_searched_is_what_the_network_makes_of_photos_alone_too(photos: Path, tmp_path: Path) -> None:
    class Twice(Joined):
        def index_vectors(self, features: Features, role: Role) -> Tensor:
            return 2 * features.global_

    mine = method(Twice(IMAGES, IMAGES))
    store = describe_into(tmp_path / "store", mine, records(photos)).store
    made = index_rows(mine, store)
    assert isinstance(made, np.memmap) and np.array_equal(made, 2 * np.asarray(store.vectors))
    assert not list(store.folder.glob("tmp*"))
