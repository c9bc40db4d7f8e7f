"""Both encoders of the fusion from one vision-language network."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import vprkit
from tests.methods import test_lavpr_fusion_training as fusion
from tests.methods.crossmodal_small import CPU, SENTENCES, SIDE, TINY, tiny
from tests.training.small import picture
from vprkit.aggregators.text_pooling import ReweightingPooler
from vprkit.errors import ConfigError
from vprkit.loading import load_method, save_method
from vprkit.method import Method
from vprkit.training.train import train

pytestmark = pytest.mark.usefixtures("weights_folder")
places = fusion.places
"""GSV-Cities with texts."""

CLIP: dict[str, Any] = {**TINY, "family": "clip", "vocabulary": 49408, "positions": 77}


@pytest.fixture
def blip(tmp_path: Path) -> Method:
    method = tiny()
    save_method(method, tmp_path / "blip.safetensors")
    return method


def fused(folder: Path, **options: Any) -> Method:
    given = {"image": "lavpr-crossmodal", "image_weights": str(folder / "blip.safetensors"), "text": "own", **options}
    return load_method("lavpr-fusion", device="cpu", precision="fp32", **given)


def photos() -> list[Any]:
    return [picture(seed, (SIDE, SIDE), noise=20.0) for seed in range(len(SENTENCES))]


@torch.no_grad()
def test_both_vectors_are_the_towers_own(blip: Method, tmp_path: Path) -> None:
    method = fused(tmp_path, mode="each", alpha=0.5)
    assert method.preprocessing.size == (SIDE, SIDE)
    features = method.describe(photos(), texts=SENTENCES)
    torch.testing.assert_close(features.global_, blip.describe(photos()).global_, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(features.text, blip.describe(texts=SENTENCES).global_, rtol=1e-5, atol=1e-6)
    alone = fused(tmp_path, mode="text").describe(texts=SENTENCES).global_
    torch.testing.assert_close(alone, blip.describe(texts=SENTENCES).global_, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_poolers_look_at_projected_tokens_of_unit_length(blip: Method, tmp_path: Path, places: Path) -> None:
    """Section 2.2 and 2.3 of the specification: "the normalised projected token matrix", the class token first."""
    options = {"model.image": "lavpr-crossmodal", "model.image_weights": str(tmp_path / "blip.safetensors"),
               "model.text": "own", "model.pooling": "cls", "model.image_pooling": "tokens", "model.head": "ads",
               "cached": False, "image_size": (SIDE, SIDE), "epochs": 1}  # fmt: skip
    with torch.enable_grad():
        run = train("lavpr-fusion", {"train": places}, out=tmp_path / "run", options={**fusion.OPTIONS, **options})
    method: Any = vprkit.load_method(weights=run.weights, device="cpu", precision="fp32")
    network, towers = method.network, blip.network.towers
    assert {name.partition(".")[0] for name in network.kept_state()} == {
        "head",
        "text_pooling",
        "image_pooling",
        "made_with",
    }
    batch = torch.rand(3, 3, SIDE, SIDE)
    tokens = torch.nn.functional.normalize(towers.vision_proj(towers.image_states(batch)), dim=-1)
    pooler = network.image_pooling
    assert isinstance(pooler, ReweightingPooler)
    expected = torch.nn.functional.normalize(pooler(tokens), dim=1)
    torch.testing.assert_close(network.pooled_image(batch), expected, rtol=1e-4, atol=1e-5)
    ids, mask = blip.network.read(SENTENCES)  # type: ignore[operator]
    said = torch.nn.functional.normalize(towers.text_proj(towers.text_states(ids, mask)), dim=-1)
    expected = torch.nn.functional.normalize(network.text_pooling(said, mask), dim=1)
    torch.testing.assert_close(network.text_vectors(SENTENCES), expected, rtol=1e-4, atol=1e-5)


def test_a_head_learns_beside_vectors_described_once(blip: Method, tmp_path: Path, places: Path) -> None:
    options = {"model.image": "lavpr-crossmodal", "model.image_weights": str(tmp_path / "blip.safetensors"),
               "model.text": "own", "model.head": "ads", "image_size": (SIDE, SIDE), "epochs": 1,
               "feature_cache": str(tmp_path / "features")}  # fmt: skip
    run = train("lavpr-fusion", {"train": places}, out=tmp_path / "run", options={**fusion.OPTIONS, **options})
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert all(line["loss"] > 0 for line in lines) and lines
    method = vprkit.load_method(weights=run.weights, device="cpu")
    assert method.describe(photos(), texts=SENTENCES).weight is not None
    other = save_method(tiny(seed=9), tmp_path / "blip.safetensors", overwrite=True)
    with pytest.raises(vprkit.VprError, match="trained with another image encoder"):
        vprkit.load_method(weights=run.weights, device="cpu")
    assert other.exists()


def test_what_has_no_text_tower_or_no_tokens_is_refused(tmp_path: Path, places: Path) -> None:
    with pytest.raises(ConfigError, match="text=own takes the text tower of the image method, and thumbnail has none"):
        load_method("lavpr-fusion", image="thumbnail", text="own", device="cpu")
    clip = load_method("lavpr-crossmodal", "random", **CPU, **CLIP)
    save_method(clip, tmp_path / "blip.safetensors")
    for pooling in ("pooling", "image_pooling"):
        given = {"pooling": {"pooling": "cls"}, "image_pooling": {"pooling": "none", "image_pooling": "tokens"}}[
            pooling
        ]
        with pytest.raises(ConfigError, match=f"{pooling} looks at tokens, and these towers .* give one vector"):
            train("lavpr-fusion", {"train": places}, options={
                "model.image": "lavpr-crossmodal", "model.image_weights": str(tmp_path / "blip.safetensors"),
                "model.text": "own", "model.head": "ads", "cached": False,
                **{f"model.{key}": value for key, value in given.items()},
            }, out=tmp_path / pooling)  # fmt: skip
    with pytest.raises(ConfigError, match="text_encoder=lora changes a sentence encoder"):
        train("lavpr-fusion", {}, options={"model.text": "own", "text_encoder": "lora"}, out=tmp_path / "lora")
