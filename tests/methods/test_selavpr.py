"""SelaVPR's recipe on a small ViT: mining, what learns, exact resume inside a round, re-ranked validation."""

import json
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import vprkit
from tests.training.small import break_photos, copied
from vprkit.errors import ConfigError, DataError, ImageError, StoreError
from vprkit.loading import save_method
from vprkit.registry import find_recipe
from vprkit.training.mining import MININGS
from vprkit.training.train import resolve_settings, train

MODEL = {"size": "S", "depth": 1, "table_size": 56, "local_mid_channels": 16, "local_channels": 8}
OPTIONS = {
    **{f"model.{key}": value for key, value in MODEL.items()},
    "foundation": "random", "image_size": (56, 56), "queries": 8, "batch": 2, "samples": 6, "epochs": 2,
    "optimiser.rate": 1e-3, "margin": 1.0, "validation.every": 1, "validation.rerank": 4, "validation.batch_size": 8,
    "running.device": "cpu", "running.workers": 1, "running.log_every": 1,
}  # fmt: skip


def run(out, benchmark, reporter=None, **options):
    given = {**OPTIONS, **{key.replace("__", "."): value for key, value in options.items()}}
    return train("selavpr", {"train": benchmark, "val": benchmark}, out=out, options=given, reporter=reporter)


@pytest.fixture(scope="module")
def benchmark(shared_set):
    return vprkit.open_benchmark(shared_set)


def test_defaults_are_the_published_run():
    """float32 and deterministic cuDNN, jitter in a fixed order; `--optim sgd` is two settings, as the page says."""
    settings = resolve_settings(find_recipe("selavpr"), None, None)
    assert (settings.running.precision, settings.running.deterministic) == ("fp32", True)
    assert not settings.augmentation.shuffle_jitter and settings.optimiser.weight_decay == 0
    page = Path("docs/methods/selavpr.md").read_text()
    second = next(line for line in page.splitlines() if line.startswith("vpr train selavpr initial="))
    given = dict(word.split("=") for word in second.split() if "=" in word and not word.startswith(("train=", "val=")))
    assert int(given["epochs"]) == 50 * int(given["validation.every"]) == 50 * (5000 // settings.queries)


def test_a_run_sets_what_a_gpu_does_in_fp32(tmp_path, benchmark):
    class Looking:
        def pace(self, pace):
            self.seen = (torch.backends.cudnn.deterministic, torch.backends.cuda.matmul.fp32_precision)

        def describing(self, what, done, total): ...

        def say(self, sentence): ...

    looking = Looking()
    run(tmp_path / "run", benchmark, looking, epochs=1, running__tf32="all", validation__every=0)
    assert looking.seen == (True, "tf32") and not torch.backends.cudnn.deterministic


def test_only_adapters_and_heads_learn_and_validation_reranks(tmp_path, benchmark):
    done = run(tmp_path / "run", benchmark, augmentation__brightness=0.3)
    assert done.steps == 8
    before = vprkit.load_method("selavpr", "random:0", device="cpu", **MODEL).network.state_dict()
    after = load_file(done.folder / "last.safetensors")
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert all(".adapter" in name or not name.startswith("backbone.") for name in moved)
    assert {"aggregation.1.p", "backbone.blocks.0.adapter2.D_fc2.weight"} < moved
    lines = [json.loads(line) for line in (done.folder / "log.jsonl").read_text().splitlines() if "loss" in line]
    assert all(line["loss"] == pytest.approx(line["global"] + line["local"]) for line in lines)
    assert ("LocalAdapt.upconv1.weight" in moved) == any(line["local"] > 0 for line in lines)
    result = vprkit.Result.load(done.folder / "best-val.json")
    assert result.reranked == 4 and result.first_stage
    method = vprkit.load_method(weights=done.weights, device="cpu")
    assert vprkit.evaluate(method, benchmark, rerank=4).recalls == result.recalls


@pytest.mark.parametrize("mining", sorted(MININGS))
def test_every_mining_draws_valid_triplets(tmp_path, benchmark, mining):
    if mining == "msls_weighted":
        with pytest.raises(DataError, match="needs queries marked"):
            run(tmp_path / "run", benchmark, mining=mining, epochs=1)
        return
    done = run(tmp_path / "run", benchmark, mining=mining, epochs=1, validation__every=0)
    state = torch.load(done.folder / "last.ckpt", weights_only=True)["task"]["_extra_state"]
    assert state["mined_for"] == 0
    for query, positive, *negatives in state["triplets"].tolist():
        assert positive in benchmark.positives[query] and not set(negatives) & set(benchmark.positives[query])
        assert len(set(negatives)) == 2


def test_validation_has_the_settings_of_the_second_stage(tmp_path, benchmark):
    """What counts, how it is kept, and where: there while a set is measured, gone afterwards, and said before."""
    folder = tmp_path / "scratch"

    class Looking:
        def __init__(self):
            self.seen, self.said = [], []

        def pace(self, pace): ...

        def describing(self, what, done, total):
            self.seen += [path.parent.parent for path in folder.glob("vprkit-*/*/*")]

        def say(self, sentence):
            self.said.append(sentence)

    looking = Looking()
    asked = {"validation__rerank_set": ("products=checked", "doubt=0.1"), "validation__local_dtype": "int8",
             "validation__ties": "reversed", "validation__folder": str(folder), "epochs": 1}  # fmt: skip
    done = run(tmp_path / "run", benchmark, looking, **asked)
    told = vprkit.Result.load(done.folder / "best-val.json").second_stage
    assert (told["products"], told["doubt"], told["dtype"], told["ties"]) == ("checked", 0.1, "int8", "reversed")
    assert looking.seen and not list(folder.iterdir())
    assert f"as int8: 0.00 GB in {folder}" in looking.said[0]
    again = run(tmp_path / "run", benchmark, **{**asked, "epochs": 2, "validation__local": "recompute"})
    assert vprkit.Result.load(again.folder / "best-val.json").second_stage["dtype"] == "int8"


def test_what_validation_could_not_do_is_refused_before_training(tmp_path, benchmark, monkeypatch):
    with pytest.raises(ConfigError, match="unknown key 'product'.*did you mean 'products'"):
        run(tmp_path / "run", benchmark, validation__rerank_set=("product=half",))
    with pytest.raises(ConfigError, match="ask for one with validation.rerank=N"):
        run(tmp_path / "run", benchmark, validation__rerank=None, validation__rerank_set=("products=half",))
    monkeypatch.setattr("shutil.disk_usage", lambda path: namedtuple("Usage", "free")(1000))
    with pytest.raises(ConfigError, match="GB free, local features of 24 images as float16 take"):
        run(tmp_path / "run", benchmark)
    assert not (tmp_path / "run").exists()


def test_mining_passes_over_what_cannot_be_read(tmp_path, shared_set):
    """An unreadable database image is nobody's negative; triplets that hold one are left out; all are named."""
    spoilt = copied(shared_set, tmp_path / "set")
    break_photos(spoilt)
    with pytest.raises(ImageError):
        run(tmp_path / "fails", spoilt, epochs=1)
    skipping = {"running__on_error": "skip", "epochs": 1, "queries": len(spoilt.queries), "validation__every": 0}
    done = run(tmp_path / "run", spoilt, batch=4, samples=len(spoilt.database), **skipping)
    drawn = torch.load(done.folder / "last.ckpt", weights_only=True)["task"]["_extra_state"]["triplets"]
    readable = drawn[drawn[:, 0] != 0]
    assert len(readable) == len(spoilt.queries) - 1 and not (readable[:, 2:] == 2).any()
    named = (done.folder / "broken.txt").read_text()
    assert spoilt.database.path(2).name in named and spoilt.queries.path(0).name in named


class Killed(Exception):
    pass


class KillAt:
    """Stops the run hard after some batches, as a kill would."""

    def __init__(self, batches):
        self.left = batches

    def pace(self, pace):
        self.left -= 1
        if not self.left:
            raise Killed

    def describing(self, what, done, total): ...

    def say(self, sentence): ...


@pytest.mark.parametrize("mining", ["partial", "full"])
def test_a_run_killed_inside_a_round_ends_as_if_it_had_not_been(tmp_path, benchmark, mining):
    options = {"mining": mining, "epochs": 3, "running__checkpoint_every": 1, "validation__every": 0}
    whole = run(tmp_path / "whole", benchmark, **options)
    for batches in (2, 5):
        with pytest.raises(Killed):
            run(tmp_path / "killed", benchmark, KillAt(batches), **options)
    again = run(tmp_path / "killed", benchmark, **options)
    assert (again.folder / "log.jsonl").read_text() == (whole.folder / "log.jsonl").read_text()
    one, other = (load_file(folder / "last.safetensors") for folder in (whole.folder, again.folder))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_dinov2_file_starts_it_and_adapters_change_nothing_yet(tmp_path, benchmark):
    dino = vprkit.load_method("dinov2", "random:4", device="cpu", size="S", depth=1, table_size=56, resize=56)
    save_method(dino, tmp_path / "dino.safetensors")
    done = run(tmp_path / "run", benchmark, foundation=str(tmp_path / "dino.safetensors"), epochs=0)
    method = vprkit.load_method(weights=done.folder / "last.safetensors", device="cpu")
    images = torch.rand(2, 3, 56, 56)
    with torch.no_grad():
        assert torch.allclose(method.network.backbone(images), dino.network.backbone(images), atol=1e-6)


def test_the_state_leaves_out_what_does_not_learn_and_knows_it_again(tmp_path, benchmark):
    """Files stay small, and a foundation that was replaced meanwhile is found out."""

    def foundation(seed):
        dino = vprkit.load_method("dinov2", f"random:{seed}", device="cpu", size="S", depth=1, table_size=56, resize=56)
        save_method(dino, tmp_path / "dino.safetensors", overwrite=True)

    def go(epochs):
        return run(tmp_path / "run", benchmark, foundation=str(tmp_path / "dino.safetensors"), epochs=epochs,
                   validation__every=0)  # fmt: skip

    foundation(4)
    state = torch.load(go(1).folder / "last.ckpt", weights_only=True)["task"]
    trained = {name for name in state if name != "_extra_state"}
    assert trained and all(".adapter" in name or ".backbone." not in f".{name}" for name in trained)
    foundation(5)
    with pytest.raises(StoreError, match="what does not learn is not what the run began with"):
        go(2)
    foundation(4)
    assert go(2).epochs == 2


def test_the_whole_network_learns_where_asked(tmp_path, benchmark):
    done = run(tmp_path / "run", benchmark, train_trunk=True, epochs=1, validation__every=0)
    before = vprkit.load_method("selavpr", "random:0", device="cpu", **MODEL).network.state_dict()
    name = "backbone.blocks.0.attn.qkv.weight"
    assert not torch.equal(load_file(done.folder / "last.safetensors")[name], before[name])


def test_what_cannot_be_is_refused(tmp_path, benchmark):
    with pytest.raises(ConfigError, match="no gradient caching"):
        run(tmp_path / "run", benchmark, running__chunk=2)
    with pytest.raises(ConfigError, match="a round wants 800"):
        run(tmp_path / "run2", benchmark, queries=800)
    with pytest.raises(ConfigError, match="draws from one training set"):
        train("selavpr", {"train.a": benchmark, "train.b": benchmark}, out=tmp_path / "r", options=OPTIONS)
    with pytest.raises(ConfigError, match="multiples of 14"):
        run(tmp_path / "run3", benchmark, image_size=(60, 60))


def test_local_maps_of_any_grid():
    method = vprkit.load_method("selavpr", "random:1", device="cpu", **MODEL)
    features = method.describe_batch(torch.rand(1, 3, 42, 70))
    assert features.local.grid == (9, 17) and features.local.tokens.shape == (1, 153, 8)
    assert np.allclose(features.local.tokens.norm(dim=-1), 1, atol=1e-5)
