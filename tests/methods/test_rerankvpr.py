"""RerankVPR: its files, its vectors, its recipe's settings."""

import json

import pytest
import torch
from safetensors.torch import load_file

import vprkit
from tests.methods.test_recipes import COMMON, SMALL
from tests.training.small import Drawn, write_gsv
from vprkit import registry
from vprkit.data.city import make_city
from vprkit.errors import ConfigError, NotAvailable, WeightsError
from vprkit.losses.miners import HardTripletMiner, MultiSimilarityMiner
from vprkit.methods.rerankvpr.aggregators import AGGREGATORS
from vprkit.registry import find_recipe
from vprkit.training.train import resolve_settings, train
from vprkit.weights import inspect

TINY = {"size": "S", "depth": 2, "table_size": 56}
OPTIONS = {**COMMON, **SMALL["rerankvpr"], "optimiser.rate": 1e-4, "running.log_every": 1}


def tiny(seed=1, **options):
    return vprkit.load_method("rerankvpr", f"random:{seed}", device="cpu", resize=56, **{**TINY, **options})


def images(count=2, side=56):
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def lightning_file(path, method, memory=True):
    """What the official program writes."""
    state = {f"model.model.{name.removeprefix('backbone.')}": tensor
             for name, tensor in method.network.state_dict().items()}  # fmt: skip
    if memory:
        state |= {
            "memory_bank.embedding_memory": torch.zeros(10, 384),
            "memory_bank.label_memory": torch.zeros(10, dtype=torch.int64),
            "memory_bank.timestamp_memory": torch.zeros(10, dtype=torch.int64),
            "memory_bank.current_step": torch.tensor(7),
        }
    hyper = {
        "backbone_size": "dinov2_small",
        "facet_layer_and_facet": {22: "value", 23: "attn"},
        "image_size": [224, 224],
    }
    torch.save({"epoch": 3, "global_step": 9, "pytorch-lightning_version": "2.4.0", "state_dict": state, "loops": {},
                "hparams_name": "kwargs", "hyper_parameters": hyper}, path)  # fmt: skip


def test_a_file_of_the_official_program(tmp_path):
    method, path = tiny(), tmp_path / "dinov2_backbone_epoch(03)_step(0009)_R1[0.9]_R5[0.9]_R10[0.9].ckpt"
    lightning_file(path, method)
    loaded = vprkit.load_method(weights=path, device="cpu")
    assert loaded.name == "rerankvpr-small" and loaded.metric == "l2" and loaded.preprocessing.size == (322, 322)
    assert torch.equal(loaded.describe(images()).global_, method.describe(images()).global_)
    found = inspect(path)
    assert found.methods == ("rerankvpr-small",) and "hyper_parameters" in found.beside
    assert set(found.unused) == {f"memory_bank.{name}_memory" for name in ("embedding", "label", "timestamp")} | {
        "memory_bank.current_step"
    }
    lightning_file(path, method, memory=False)
    assert not inspect(path).unused
    state = torch.load(path)
    state["state_dict"]["model.model.surplus"] = torch.zeros(1)
    del state["state_dict"]["model.model.norm.weight"]
    torch.save(state, path)
    with pytest.raises(WeightsError, match=r"1 missing.*'model.model.norm.weight'.*1 unexpected.*surplus"):
        vprkit.load_method("rerankvpr", path, device="cpu")


def test_variants_are_the_official_sizes():
    names = registry.list_methods("rerankvpr-*")
    assert [f"rerankvpr-{size}" for size in ("base", "giant", "large", "small")] == [n for n in names if "reg" not in n]
    with pytest.raises(NotAvailable, match="'rerankvpr-large' has no released weights"):
        vprkit.load_method("rerankvpr-large", device="cpu")


def test_vectors_are_raw_class_tokens_unless_normalised():
    raw, unit = tiny().describe(images()).global_, tiny(normalise=True).describe(images()).global_
    assert raw.shape == (2, 384) and not torch.allclose(raw.norm(dim=1), torch.ones(2), atol=0.1)
    torch.testing.assert_close(unit, torch.nn.functional.normalize(raw, dim=1))


@pytest.mark.parametrize("name", sorted(set(AGGREGATORS) - {"cls", "megaloc"}))
def test_aggregators_give_unit_vectors_at_any_size(name):
    method = tiny(aggregator=name)
    for side in (126, 140):
        vectors = method.describe(images(side=side)).global_
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2), atol=1e-4, rtol=0)


def test_the_published_settings():
    settings = resolve_settings(find_recipe("rerankvpr"), None, None)
    assert (settings.sampling.places, settings.sampling.images, settings.sampling.within_groups) == (64, 4, False)
    assert (settings.memory.size, settings.memory.start_epoch, settings.memory.decay) == (16384, 5, 0.1)
    assert (settings.optimiser.kind, settings.optimiser.rate, settings.optimiser.weight_decay) == (
        "adamw",
        1e-5,
        9.5e-9,
    )
    assert (settings.schedule.kind, settings.schedule.warmup_steps, settings.schedule.factor) == (
        "exponential",
        200,
        0.99,
    )
    assert settings.model.size == "L" and settings.trunk.train_last == 4 and settings.epochs == 30
    assert (settings.augmentation.rand_augment, settings.augmentation.rand_augment_magnitude) == (3, 9)


def criterion(**options):
    return resolve_settings(find_recipe("rerankvpr"), None, options).criterion()


def test_losses_come_with_their_miner_unless_another_is_asked_for():
    made = criterion(margin=0.3)
    assert (made.loss.alpha, made.loss.beta, made.loss.base) == (2.0, 50.0, 0.5)
    assert isinstance(made.miner, MultiSimilarityMiner) and made.miner.epsilon == 0.3
    assert isinstance(criterion(loss="triplet_margin").miner, HardTripletMiner)
    assert criterion(loss="nca").miner is None and criterion(miner="none").miner is None
    assert type(criterion(miner="pair_margin").miner).__name__ == "PairMarginMiner"
    assert type(criterion(loss="circle").loss).__name__ == "CircleLoss"
    with pytest.raises(ConfigError, match=r"loss 'contrastve' is unknown \(did you mean 'contrastive'"):
        criterion(loss="contrastve")
    with pytest.raises(ConfigError, match=r"miner 'publishd' is unknown \(did you mean 'published'"):
        criterion(miner="publishd")
    with pytest.raises(ConfigError, match="margin must be at least 0"):
        criterion(margin=-1)


def test_contrastive_teaches_and_as_published_it_hardly_does():
    """Two places, far positives and near negatives: ours pushes negatives apart, the published margins do not."""
    x = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.9, 0.4], [0.5, 0.9]], requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1])
    for name, teaches in (("contrastive", True), ("contrastive_official", False)):
        loss, _ = criterion(loss=name)
        (gradient,) = torch.autograd.grad(loss(x, labels), x)
        assert bool(gradient.any()) == teaches, name


@pytest.mark.parametrize("options", [
    {"loss": "triplet_margin"}, {"loss": "contrastive"}, {"loss": "contrastive_official"}, {"loss": "nca"},
    {"miner": "hard_triplets"}, {"miner": "triplet_margin"}, {"schedule.kind": "step"}, {"schedule.kind": "multi_step"},
    {"schedule.kind": "cosine"}, {"schedule.kind": "linear"}, {"optimiser.kind": "sgd"},
])  # fmt: skip
def test_every_choice_trains(options, tmp_path):
    run = train("rerankvpr", {"train": Drawn(6)}, out=tmp_path / "run", options={**OPTIONS, **options})
    assert run.steps == 1


def test_accumulation_begins_at_its_epoch(tmp_path):
    options = {"epochs": 3, "running.steps_per_epoch": None, "running.accumulate": 2, "running.accumulate_from": 1,
               "sampling.places": 2, "min_images": 4, "memory.record_every": 1}  # fmt: skip
    run = train("rerankvpr", {"train": Drawn(8)}, out=tmp_path / "run", options={**OPTIONS, **options})
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines if "loss" in line] == [0, 0, 0, 0, 1, 1, 2, 2]
    rates = [line["rate"] for line in lines if "loss" in line]
    assert rates == pytest.approx([1e-4] * 4 + [0.99e-4] * 2 + [0.99**2 * 1e-4] * 2)
    assert sum("negatives" in line for line in lines) == 12


def test_the_authors_start_files_learn_nothing_before_their_last_blocks(tmp_path):
    run = train("rerankvpr", {"train": Drawn(6)}, out=tmp_path / "run", options={**OPTIONS, "trunk.train_last": 0})
    start = vprkit.load_method("rerankvpr", "random:1234", device="cpu", size="S", depth=3, table_size=56)
    before, after = start.network.state_dict(), load_file(run.weights)
    assert {name for name in after if not torch.equal(before[name], after[name])} == {
        "backbone.norm.weight", "backbone.norm.bias"
    }  # fmt: skip


def test_gsv_cities_and_msls_together(tmp_path):
    write_gsv(tmp_path / "gsv", places=4)
    make_city(tmp_path / "city", 12, 6, 5, layouts=("msls",), size=64, workers=1)
    options = {**OPTIONS, "running.steps_per_epoch": None, "sampling.places": 4, "memory.size": 20}
    run = train("rerankvpr", {"train.gsv": tmp_path / "gsv", "train.msls": tmp_path / "city"}, out=tmp_path / "run",
                options=options)  # fmt: skip
    assert run.steps >= 2


def test_validation_looks_again_with_the_patches_of_the_network_that_is_trained(tmp_path, shared_set):
    options = {**OPTIONS, "epochs": 1, "validation.batch_size": 8, "validation.rerank": 4}
    run = train("rerankvpr", {"train": Drawn(6), "val": shared_set}, out=tmp_path / "run", options=options)
    result = vprkit.Result.load(run.folder / "best-val.json")
    assert result.reranked == 4 and result.second_stage["reranker"] == "GuidedMatches"
    method = vprkit.load_method(weights=run.folder / "last.safetensors", device="cpu")
    again = vprkit.evaluate(method, vprkit.open_benchmark(shared_set), rerank=4, ks=tuple(result.recalls))
    assert again.recalls == result.recalls and again.first_stage == result.first_stage


def test_patches_are_read_from_the_end_and_can_be_others():
    local = tiny().describe_batch(images()).local
    assert local.tokens.shape == (2, 16, 384) and local.grid == (4, 4)
    assert local.saliency.min() == 0 and local.saliency.max() == 1
    method = tiny(patches={"layer": 1, "facet": "token", "saliency_layer": 0, "bins": 1})
    other = method.describe_batch(images()).local
    assert other.tokens.shape == (2, 16, 9 * 384) and not torch.equal(other.saliency, local.saliency)
    with pytest.raises(ConfigError, match="block -3 does not exist"):
        tiny(patches={"layer": -3}).describe_batch(images())
    with pytest.raises(ConfigError, match=r"unknown key 'patches.face'.*'facet'"):
        tiny(patches={"face": "key"})


def test_a_second_stage_that_is_not_there_is_refused_before_training(tmp_path, shared_set):
    options = {**COMMON, **SMALL["salad"], "validation.rerank": 5}
    with pytest.raises(NotAvailable, match="method 'salad' has no second stage; leave rerank out"):
        train("salad", {"train": Drawn(6), "val": shared_set}, out=tmp_path / "run", options=options)
    assert not (tmp_path / "run").exists()


def test_training_validates_and_goes_on(tmp_path, shared_set):
    options = {**OPTIONS, "epochs": 2, "validation.batch_size": 8}
    data = {"train": Drawn(6), "val": shared_set}
    run = train("rerankvpr", data, out=tmp_path / "run", options={**options, "epochs": 1})
    again = train("rerankvpr", data, out=tmp_path / "run", options=options)
    whole = train("rerankvpr", data, out=tmp_path / "whole", options=options)
    assert run.best is not None and again.epochs == 2
    one, other = (load_file(folder / "last.safetensors") for folder in (again.folder, whole.folder))
    assert all(torch.equal(one[name], other[name]) for name in one)
