"""Describing, searching and re-ranking on the device: the answers of a CPU."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import vprkit
from tests.accelerator.device import DEVICE
from tests.conftest import picture
from tests.methods.crossmodal_small import SENTENCES, pictures, tiny
from tests.methods.test_pairvpr_scorer import TINY as PAIRS
from vprkit.backbones.patch_features import PatchConfig
from vprkit.data.benchmark import open_benchmark
from vprkit.evaluation.two_stage import Second
from vprkit.report.matches import match
from vprkit.rerank.guided_matches import GuidedMatches
from vprkit.rerank.with_patches import with_patches
from vprkit.retrieval.describe import Streaming
from vprkit.retrieval.map import Map

VIT: dict[str, Any] = {"size": "S", "depth": 2, "table_size": 56, "resize": 56}
SELAVPR: dict[str, Any] = {**VIT, "depth": 1, "local_mid_channels": 16, "local_channels": 8}
TWO_STAGES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "selavpr": ("selavpr", SELAVPR, {}),
    "selavpr-recompute": ("selavpr", SELAVPR, {"source": "recompute"}),
    "selavpr-int8": ("selavpr", SELAVPR, {"dtype": "int8"}),
    "rerankvpr": ("rerankvpr", VIT, {}),
    "rerankvpr-official": ("rerankvpr", VIT, {"reranker": GuidedMatches(mask="official")}),
    "rerankvpr-per_candidate": ("rerankvpr", VIT, {"reranker": GuidedMatches(mask="per_candidate")}),
    "pairvpr": ("pairvpr", {**PAIRS, "resize": 56}, {}),
}


def here_and_there(name: str, **options: Any) -> list[vprkit.Method]:
    return [
        vprkit.load_method(name, "random:1", device=device, precision="fp32", **options) for device in ("cpu", DEVICE)
    ]


@pytest.mark.parametrize("case", sorted(TWO_STAGES))
def test_two_stages(case: str, photo_set: Path) -> None:
    name, options, settings = TWO_STAGES[case]
    benchmark = open_benchmark(photo_set)
    second = dataclasses.replace(Second(5), **settings)
    first, other = (
        vprkit.evaluate(method, benchmark, rerank=second, streaming=Streaming(batch_size=3))
        for method in here_and_there(name, **options)
    )
    for one, two in zip(first.rankings, other.rankings, strict=True):
        assert one.scores is not None and two.scores == pytest.approx(one.scores, rel=1e-3, abs=1e-4)
    assert first.recalls == pytest.approx(other.recalls, abs=10)


def test_patches_of_any_vit_in_every_kind_of_saliency(photo_set: Path) -> None:
    photos = [picture(seed) for seed in range(3)]
    for saliency in ("min_max", "clipped", "softmax"):
        config = PatchConfig(saliency=saliency, bins=1)  # type: ignore[arg-type]
        one, two = (with_patches(method, config).describe(photos).cpu() for method in here_and_there("dinov2", **VIT))
        assert one.local is not None and two.local is not None
        torch.testing.assert_close(two.local.tokens, one.local.tokens, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(two.local.saliency, one.local.saliency, rtol=1e-3, atol=1e-3)


def test_maps_made_on_either_answer_on_the_other(photo_set: Path, tmp_path: Path) -> None:
    here, there = here_and_there("selavpr", **SELAVPR)
    made = Map.build(photo_set / "database", there, tmp_path / "map", local="float16")
    photos = sorted((photo_set / "queries").iterdir())[:4]
    expected = [place.hits[0].name for place in made.locate_many(photos, rerank=4)]
    for method in (here, there):
        found = Map.open(tmp_path / "map", method=method).locate_many(photos, top=3, rerank=4)
        assert [place.hits[0].name for place in found] == expected


def test_pairs_are_matched_for_pictures() -> None:
    photos = [picture(1), picture(2)]
    one, two = (match(method, *photos) for method in here_and_there("selavpr", **SELAVPR))
    assert len(one.first) and np.array_equal(one.first, two.first) and np.array_equal(one.second, two.second)


def test_images_and_texts() -> None:
    one, there = tiny(), tiny()
    two = vprkit.Method(there.network, there.preprocessing, device=DEVICE, precision="fp32")
    for given in ({"images": pictures()}, {"texts": SENTENCES}):
        found, expected = two.describe(**given).global_.cpu(), one.describe(**given).global_
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    options: dict[str, Any] = {"image": "thumbnail", "mode": "concat", "precision": "fp32"}
    fused = [vprkit.load_method("lavpr-fusion", device=device, **options) for device in ("cpu", DEVICE)]
    photos, texts = [picture(seed) for seed in range(3)], ["a red house", "", "two doors"]
    vectors = [method.index_vectors(method.describe(photos, texts=texts), "query").cpu() for method in fused]
    torch.testing.assert_close(vectors[1], vectors[0], rtol=1e-4, atol=1e-5)
