"""LaVPR's cross-modal half: what is read of images and texts, and texts that ask for photos."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import vprkit
from tests.methods.crossmodal_small import (
    CPU,
    SENTENCES,
    SIDE,
    TINY,
    pictures,
    tiny,
)
from vprkit.backbones.bert_tokens import BertTokens, find_vocabulary
from vprkit.data.columns import StringColumn
from vprkit.device import inference
from vprkit.errors import ConfigError, VprError
from vprkit.evaluation.result import Result
from vprkit.loading import load_method
from vprkit.method import IMAGES, TEXTS
from vprkit.methods.lavpr_crossmodal.network import CrossModalConfig, build
from vprkit.report.failures import failures
from vprkit.report.groups import Group
from vprkit.report.sheets import save_predictions, tiles

pytestmark = pytest.mark.usefixtures("weights_folder")


@pytest.mark.parametrize("family", ["blip", "clip", "siglip"])
def test_vectors_have_length_1_whatever_the_precision(family: Any) -> None:
    """Vectors are searched as they are, so a norm that is off by a rounding of bf16 would move scores."""
    torch.manual_seed(0)
    towers = build(CrossModalConfig(**TINY, family=family)).eval().towers
    ids = torch.tensor([[1, 5, 9], [1, 7, 2], [3, 4, 6]])
    with inference(torch.device("cpu"), "bf16"):
        for vectors in (towers.image_vectors(pictures()), towers.text_vectors(ids, torch.ones_like(ids))):
            torch.testing.assert_close(vectors.float().norm(dim=1), torch.ones(3), rtol=0, atol=2e-6)


def test_images_and_texts_are_described_apart_and_together() -> None:
    method = tiny()
    assert method.reads("query") == TEXTS and method.reads("database") == IMAGES and method.dimension == 16
    turned = tiny(direction="image_to_text")
    assert turned.reads("query") == IMAGES and turned.reads("database") == TEXTS and turned.dimension == 16
    assert method.identity() != turned.identity()
    images, texts = method.describe(pictures()), method.describe(texts=SENTENCES)
    both = method.describe(pictures(), texts=SENTENCES)
    assert torch.equal(both.global_, images.global_) and both.text is not None
    torch.testing.assert_close(both.text, texts.global_)
    torch.testing.assert_close(texts.global_.norm(dim=1), torch.ones(3))


def test_padding_counts_only_in_the_published_zero_shot_baseline() -> None:
    alone, together = ([SENTENCES[1]], SENTENCES)
    method = tiny()
    torch.testing.assert_close(method.describe(texts=alone).global_[0], method.describe(texts=together).global_[1])
    published = load_method("lavpr-crossmodal-zero-shot", "random", **CPU, **TINY)
    assert published.configuration["direction"] == "image_to_text" and not published.configuration["mask"]
    leaking = published.describe(texts=together).global_[1]
    assert not torch.allclose(published.describe(texts=alone).global_[0], leaking, atol=1e-4)


def test_texts_are_cut_to_characters_and_to_positions() -> None:
    long = "red house " * 500
    method = tiny()
    assert torch.equal(method.describe(texts=[long]).global_, method.describe(texts=[long[:1024]]).global_)
    ids, mask = method.network.read([long, "red"])  # type: ignore[operator]
    assert ids.shape == (2, TINY["positions"]) and mask.sum(1).tolist() == [40, 3]
    assert ids[0, -1] == ids[1, 2]  # what is cut still ends in [SEP]
    short = tiny(characters=3)
    torch.testing.assert_close(short.describe(texts=["red house"]).global_, short.describe(texts=["red"]).global_)


def test_the_vocabulary_is_bert_s_with_two_ids_left_for_blip() -> None:
    tokens = BertTokens(find_vocabulary())
    assert tokens.size == 30522 and CrossModalConfig().vocabulary == 30524


def test_sizes_that_no_variant_could_have_are_fine() -> None:
    assert tiny(image_size=24, patch=12).name == "lavpr-crossmodal"  # CLIP's 224 px cannot be cut into these patches


def test_other_sizes_of_images_are_refused() -> None:
    with pytest.raises(VprError, match="positions for images of 32x32, got 48x48; use resize=32"):
        tiny().describe(torch.zeros(1, 3, 48, 48))
    with pytest.raises(ConfigError, match="image_size 33 is no multiple of the patch 8"):
        tiny(image_size=33)
    with pytest.raises(ConfigError, match="text_width 24 cannot be shared by 5 attention heads"):
        tiny(text_heads=5)


def test_texts_ask_for_photos_and_photos_for_texts(tmp_path: Path) -> None:
    for role, count in (("database", 6), ("queries", 3)):
        place = tmp_path / "set" / "images" / "test" / role
        place.mkdir(parents=True)
        for number in range(count):
            shade = np.random.default_rng([number, count]).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
            name = f"@{500000 + 100 * number:010.2f}@4180000.00@10@S@@@{number}@@@@@@@@.png"
            Image.fromarray(shade).save(place / name)
    benchmark = vprkit.open_benchmark(tmp_path / "set")

    def said(records: Any) -> Any:
        texts = StringColumn.of(f"wall number {row} of {len(records)}" for row in range(len(records)))
        return dataclasses.replace(records, texts={"text": texts})

    benchmark = dataclasses.replace(benchmark, database=said(benchmark.database), queries=said(benchmark.queries))
    images, texts = tiny(), tiny(direction="image_to_text")
    paths = [[records.path(row) for row in range(len(records))] for records in (benchmark.queries, benchmark.database)]
    for method, query, database in (
        (images, images.describe(texts=list(benchmark.queries.texts["text"])), images.describe(paths[1])),
        (texts, texts.describe(paths[0]), texts.describe(texts=list(benchmark.database.texts["text"]))),
    ):
        result = vprkit.evaluate(method, benchmark, ks=(1, 5))
        best = (query.global_ @ database.global_.T).amax(1)
        torch.testing.assert_close(torch.tensor([row.scores[0] for row in result.rankings]), best)
        asked = method is images  # in words
        assert [row.by_photo for row in result.rankings] == [not asked] * 3
        assert [row.text for row in result.rankings] == (["wall number 0 of 3", "wall number 1 of 3",
                                                          "wall number 2 of 3"] if asked else [""] * 3)  # fmt: skip
        again = Result.from_dict(json.loads(result.to_json()))
        assert again.rankings == result.rankings
        shown = tiles(again.rankings[1], again, 2)[0]
        assert (shown.text, shown.path is None) == ("wall number 1 of 3" if asked else "", asked)
        assert save_predictions(again, tmp_path / f"sheets-{asked}", 2) == 3
        assert ("wall number 1 of 3" in str(failures(Group("set", [again], ["run"]), 3))) == asked
