"""LaVPR's fusion: the recipe on a few places."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import vprkit
from tests.conftest import picture
from tests.training.cells import write_benchmark
from vprkit.backbones.text_encoder import ENCODERS, load_text_encoder
from vprkit.data.images import prepare
from vprkit.data.places import PlaceSet, open_places
from vprkit.errors import ConfigError, DataError, ImageError, WeightsError
from vprkit.evaluation.result import Result
from vprkit.loading import save_method
from vprkit.methods.lavpr_fusion.recipe import FusionRecipe
from vprkit.training.train import train
from vprkit.weights.resolving import choose_by_name

WORDS = ("a red house", "a green shop with a lamp", "", "two blue doors, one tree")
SIDE = 32


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    return [picture(seed, (SIDE, SIDE), noise=20.0) for seed in range(len(WORDS))]


def write_places(root: Path, places: int = 6, images: int = 4) -> PlaceSet:
    """Places in GSV-Cities' layout, of which photos tell two kinds and sentences three."""
    (root / "Images" / "Rome").mkdir(parents=True)
    (root / "Dataframes").mkdir()
    rows, texts = ["place_id,year,month,northdeg,city_id,lat,lon,panoid"], ["image_path,description"]
    for place in range(places):
        for number in range(images):
            name = f"Rome_{place:07d}_2015_0{number + 1}_090_41.{place}_12.{number}_p{place}{number}.jpg"
            rows.append(f"{place},2015,{number + 1},90,Rome,41.{place},12.{number},p{place}{number}")
            photo = picture(place % 2, (SIDE, SIDE), noise=60.0, noise_seed=100 * place + number)
            Image.fromarray(photo).save(root / "Images" / "Rome" / name)
            words = ("a church", "a bakery", "a bridge")[place % 3]
            texts.append(f'Images/Rome/{name},"{words} on a street, seen {number + 1} times"')
    (root / "Dataframes" / "Rome.csv").write_text("\n".join(rows) + "\n")
    (root / "descriptions.csv").write_text("\n".join(texts) + "\n")
    return open_places(root, texts=root / "descriptions.csv")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("places") / "gsv"
    write_places(root)
    return root


OPTIONS: dict[str, Any] = {
    "model.image": "thumbnail", "model.text": "minilm", "epochs": 2, "sampling.places": 3, "sampling.images": 4,
    "image_size": (SIDE, SIDE), "schedule.warmup_steps": 0, "running.log_every": 1, "running.device": "cpu",
    "running.workers": 1, "seed": 4,
}  # fmt: skip


def learn(places: Path, out: Path, **options: Any) -> Any:
    own = {**OPTIONS, "feature_cache": str(places.parent / "features"), **options}
    return train("lavpr-fusion", {"train": places}, out=out, options=own)


@pytest.mark.parametrize("head", ["ads", "fixed", "mlp", "add", "projections"])
def test_every_head_learns_and_its_file_holds_nothing_else(places: Path, tmp_path: Path, head: str) -> None:
    """The miner finds nothing to learn from easy places, so joined heads go without one."""
    miner = "none" if head in ("mlp", "add") else "multi_similarity"
    done = learn(places, tmp_path / "run", **{"model.head": head, "model.pooling": "none", "miner": miner})
    lines = [json.loads(line) for line in (done.folder / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert all(np.isfinite(losses)) and max(losses) > 0
    names = set(load_file(done.weights))
    assert names and all(name.startswith("head.") or name == "made_with" for name in names)
    method = vprkit.load_method(weights=done.weights)
    assert method.configuration["head"] == head and method.network.text_encoder is not None
    begun = vprkit.load_method("lavpr-fusion", "random:4", image="thumbnail", head=head)
    moved = method.network.head.state_dict()
    assert any(not torch.equal(value, moved[name]) for name, value in begun.network.head.state_dict().items())


def test_images_are_described_once_or_augmented_every_time(places: Path, tmp_path: Path) -> None:
    learn(places, tmp_path / "once", **{"model.pooling": "mean"})
    kept = {path: path.stat().st_mtime_ns for path in (places.parent / "features").rglob("global.bin")}
    assert kept
    learn(places, tmp_path / "again", **{"model.pooling": "mean"})
    assert kept == {path: path.stat().st_mtime_ns for path in (places.parent / "features").rglob("global.bin")}
    one, other = (load_file(tmp_path / name / "last.safetensors") for name in ("once", "again"))
    assert "text_pooling.mix.weight" in one and all(torch.equal(value, other[name]) for name, value in one.items())
    changed = {"cached": False, "augmentation.rand_augment": 3, "model.pooling": "none"}
    fresh = load_file(learn(places, tmp_path / "fresh", **changed).weights)
    assert not torch.equal(fresh["head.fusion.0.weight"], one["head.fusion.0.weight"])


def test_texts_may_change_in_training(places: Path, tmp_path: Path) -> None:
    """Those that do not are encoded once; those that do, in every batch, with draws that a resumed run repeats."""
    own = {"model.pooling": "none", "schedule.factor": 1.0}
    plain = load_file(learn(places, tmp_path / "plain", **own).weights)
    own |= {"text_augmentation.reverse_clauses": 0.5}
    whole = load_file(learn(places, tmp_path / "whole", **own).weights)
    learn(places, tmp_path / "parts", **own, epochs=1)
    parts_ = load_file(learn(places, tmp_path / "parts", **own).weights)
    name = "head.fusion.0.weight"
    assert torch.equal(whole[name], parts_[name]) and (whole[name] - plain[name]).abs().max() > 1e-5


@pytest.mark.parametrize("pooling", ["patches", "tokens"])
@torch.inference_mode()
def test_patch_tokens_stand_for_a_photo_beside_its_text(
    places: Path, photos: list[np.ndarray], tmp_path: Path, pooling: str
) -> None:
    image = vprkit.load_method("dinov2", "random:3", size="S", depth=1, table_size=28)
    encoder = {"image": "dinov2", "image_weights": str(save_method(image, tmp_path / "image.safetensors"))}
    own = {**{f"model.{name}": value for name, value in encoder.items()}, "image_size": (28, 28), "cached": False}
    with torch.inference_mode(False):
        done = learn(places, tmp_path / "run", **own, **{"model.pooling": "none", "model.image_pooling": pooling})
    held = load_file(done.weights)
    assert {name.split(".")[0] for name in held} == {"head", "image_pooling", "made_with"}
    method = vprkit.load_method(weights=done.weights)
    tokens = image.network.backbone.features(
        torch.stack([prepare(photo, method.preprocessing) for photo in photos])
    ).normed
    seen = tokens.patch_tokens
    if pooling == "tokens":
        seen = torch.cat([tokens.class_token[:, None], seen], 1)
    wanted = torch.nn.functional.normalize(method.network.image_pooling(seen), dim=1)
    torch.testing.assert_close(method.describe(photos, texts=list(WORDS)).global_, wanted)
    alone = vprkit.load_method(weights=done.weights, mode="image").describe(photos).global_
    torch.testing.assert_close(alone, torch.nn.functional.normalize(tokens.class_token, dim=1))


def test_adapters_of_the_text_encoder_learn_and_are_merged(places: Path, tmp_path: Path) -> None:
    own = {"model.pooling": "none", "text_encoder": "lora", "lora.rank": 2}
    done = learn(places, tmp_path / "whole", **own, epochs=2)
    method = vprkit.load_method(weights=done.weights)
    found = method.network.text_encoder.bert.state_dict()
    before = load_text_encoder().bert.state_dict()
    moved = {name for name, value in before.items() if not torch.equal(value, found[name])}
    assert moved == {f"encoder.layer.{n}.attention.self.{part}.weight" for n in range(6) for part in ("query", "value")}
    learn(places, tmp_path / "parts", **own, epochs=1)
    whole, parts_ = load_file(done.weights), load_file(learn(places, tmp_path / "parts", **own, epochs=2).weights)
    assert set(whole) == set(parts_) and all(torch.equal(value, parts_[name]) for name, value in whole.items())


def test_a_head_goes_with_its_encoders(places: Path, tmp_path: Path) -> None:
    own = {"model.pooling": "none", "model.image": "compact", "model.image_weights": "random:1", "epochs": 1}
    weights = learn(places, tmp_path / "run", **own, image_size=(96, 96)).weights
    with pytest.raises(ConfigError, match="the image encoder is not what the run began with"):
        learn(places, tmp_path / "run", **{**own, "model.image_weights": "random:2"}, image_size=(96, 96))
    assert vprkit.load_method(weights=weights).name == "lavpr-fusion"
    for mode in ("image", "text", "concat", "fused"):
        assert vprkit.load_method(weights=weights, mode=mode).network.config.compared == mode
    with pytest.raises(WeightsError, match="was trained with another image encoder than the compact that is here"):
        vprkit.load_method(weights=weights, image_weights="random:2")
    with pytest.raises(ConfigError, match="was made with head='ads', the options say head='fixed'"):
        vprkit.load_method(weights=weights, head="fixed")


@pytest.mark.parametrize("cached", [True, False])
def test_an_unreadable_photo_is_left_out_and_named(tmp_path: Path, cached: bool) -> None:
    write_places(tmp_path / "gsv")
    broken = sorted((tmp_path / "gsv").rglob("*.jpg"))[5]
    broken.write_bytes(b"no picture")
    own = {"model.pooling": "none", "epochs": 1, "cached": cached}
    with pytest.raises(ImageError, match=broken.name):
        learn(tmp_path / "gsv", tmp_path / "strict", **own)
    done = learn(tmp_path / "gsv", tmp_path / "run", **own, **{"running.on_error": "skip"})
    assert done.steps and broken.name in (done.folder / "broken.txt").read_text()


def test_the_recipe_begins_as_published() -> None:
    """Spec of LaVPR, sections 7 and 9."""
    recipe = FusionRecipe()
    assert (recipe.seed, recipe.epochs, recipe.characters) == (190223, 10, 256)
    assert recipe.validation.recalls == (1, 5, 10, 15, 20, 50, 100)
    assert (recipe.lora.rank, recipe.lora.targets) == (64, ("query", "value", "qkv"))


def test_photos_are_resized_in_8_bit_for_training_and_as_floats_for_evaluation(places: Path, tmp_path: Path) -> None:
    own = {"model.pooling": "none", "model.image": "compact", "model.image_weights": "random:1", "epochs": 1}
    features = tmp_path / "features"
    weights = learn(places, tmp_path / "run", **own, image_size=(64, 64), feature_cache=str(features)).weights
    described = json.loads(next(features.rglob("manifest.json")).read_text())["identity"]["preprocessing"]
    deployed = vprkit.load_method(weights=weights).preprocessing
    assert (described["engine"], deployed.engine) == ("pil", "tensor_antialias")
    assert tuple(described["size"]) == deployed.size == (64, 64)
    assert vprkit.load_method("lavpr-fusion", image="hog").preprocessing.engine == "pil"  # grey pictures of 8 bit
    assert choose_by_name("lavpr-ads-mixvpr512", {}).preprocessing.engine == "tensor_antialias"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model.head": "none"}, "nothing to train"),
        ({"model.mode": "concat"}, "a choice of evaluation"),
        ({"augmentation.rand_augment": 3}, "cannot be augmented"),
        ({"model.image_pooling": "patches"}, "nothing is kept"),
        ({"cached": False, "model.image_pooling": "patches"}, "reads the patches of a DINOv2"),
        ({"loss": "circle"}, "loss=circle compares single vectors"),
        ({"running.chunk": 4}, "neither gradient caching nor a memory"),
        ({"texts": "missing.csv"}, "missing.csv"),
    ],
)
def test_training_that_means_nothing(places: Path, tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(vprkit.VprError, match=words):
        learn(places, tmp_path / "run", **{"model.pooling": "none", **options})


def test_a_set_without_texts_is_refused_before_training(places: Path, tmp_path: Path) -> None:
    """Not after an epoch, which would be lost."""
    bare = write_benchmark(tmp_path / "bare")
    own = {**OPTIONS, "model.pooling": "none", "feature_cache": str(tmp_path / "features"), "epochs": 1}
    for role in ("val.night", "test"):
        with pytest.raises(DataError, match=rf"^{role}: 'lavpr-fusion' reads .* bare-test has none; .*PATH\+FILE.csv"):
            train("lavpr-fusion", {"train": places, role: bare}, out=tmp_path / "run", options=own)
        assert not (tmp_path / "run").exists() and not (tmp_path / "features").exists()
    names = [f"{path.parent.name}/{path.name}" for path in sorted(bare.rglob("*.jpg"))]
    rows = [f"{name},a church" for name in names if not name.startswith("queries") or "p2003" in name]
    (tmp_path / "said.csv").write_text("image_path,description\n" + "\n".join(rows) + "\n")
    sets = {"train": places, "val": f"{bare}+{tmp_path}/said.csv"}
    run = train("lavpr-fusion", sets, out=tmp_path / "run", options=own)
    result = Result.load(run.folder / "best-val.json")
    assert run.best is not None and len(result.rankings) == 1


def test_a_run_goes_on_to_the_same_numbers(places: Path, tmp_path: Path) -> None:
    own = {"model.pooling": "cls"}
    whole = load_file(learn(places, tmp_path / "whole", **own).weights)
    learn(places, tmp_path / "parts", **own, epochs=1)
    parts_ = load_file(learn(places, tmp_path / "parts", **own).weights)
    assert set(whole) == set(parts_) and all(torch.equal(value, parts_[name]) for name, value in whole.items())
    other = tmp_path / "other.csv"
    other.write_text((places / "descriptions.csv").read_text().replace("church", "submarine"))
    own |= {**OPTIONS, "feature_cache": str(places.parent / "features")}
    with pytest.raises(ConfigError, match="the training set is not what the run began with"):
        train("lavpr-fusion", {"train": open_places(places, texts=other)}, out=tmp_path / "parts", options=own)
    state = tmp_path / "parts" / "last.ckpt"
    assert state.stat().st_size < 20e6  # no encoder in it
    assert ENCODERS["minilm"].width == 384
