"""Recipe `pairvpr`: what it starts from, batches, pairs and orders, large batches, steps that are not finite."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

import vprkit
from tests.methods.pairvpr_small import PRETRAIN, SIDE, TRAIN, Stopping
from tests.training.small import Drawn
from vprkit.errors import ConfigError, VprError
from vprkit.losses.miners import BatchHardMiner
from vprkit.methods.pairvpr.positions import stage_two_tables
from vprkit.methods.pairvpr.stage_two import judge
from vprkit.registry import find_recipe, load_attribute
from vprkit.training.train import resolve_settings, train


def run(out, data=None, recorder=None, **options):
    given = {key.replace("__", "."): value for key, value in options.items()}
    return train("pairvpr", data or {"train": Drawn()}, out=out, options={**TRAIN, **given}, reporter=recorder)


def task_of(**options):
    declared = find_recipe("pairvpr")
    given = {key.replace("__", "."): value for key, value in options.items()}
    return load_attribute(declared.task)(resolve_settings(declared, None, {**TRAIN, **given}), {"train": Drawn()})


def log(run_):
    return [json.loads(line) for line in (run_.folder / "log.jsonl").read_text().splitlines()]


def losses(run_):
    return [line["loss"] for line in log(run_)]


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    out = tmp_path_factory.mktemp("pretrained") / "run"
    return train("pairvpr-pretrain", {"train": Drawn()}, out=out, options={**PRETRAIN, "epochs": 1}).folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return run(tmp_path_factory.mktemp("plain") / "run")


def test_losses_rates_and_the_weights_of_every_epoch(plain):
    lines = log(plain)
    assert plain.steps == 6 and [line["skipped"] for line in lines] == [0] * 6
    for line in lines:
        assert line["loss"] == pytest.approx(line["global"] + 2 * line["pair"], rel=1e-5)
    assert [line["rate"] for line in lines] == pytest.approx([1e-3 * (1 - 0.8 * step / 6225) for step in range(6)])
    kept = [plain.folder / f"epoch-0000{epoch}.safetensors" for epoch in (1, 2)]
    first, last = (vprkit.load_method(weights=path, device="cpu") for path in kept)
    assert first.name == last.name and first.preprocessing.size == (SIDE, SIDE)
    assert first.tensors_sha256 != last.tensors_sha256
    assert last.describe(Drawn().photo(0)).global_.shape == (1, 8)


def test_it_starts_from_the_first_stage_with_its_tables_resized(pretrained):
    before = load_file(pretrained / "last.safetensors")
    network = task_of(initial=str(pretrained)).network
    after = network.state_dict()
    fresh = {"decoder_clstoken", "dec_pos_embed_cls"}
    assert set(after) - set(before) == fresh
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert after["decoder_clstoken"].abs().max() < 1e-4
    larger = task_of(initial=str(pretrained), model__image_size=42, image_size=(42, 42)).network
    table, beside = stage_two_tables(before["dec_pos_embed"], 3)
    assert torch.equal(larger.dec_pos_embed, table) and torch.equal(larger.dec_pos_embed_cls, beside)
    assert torch.equal(larger.encoder.blocks[1].mlp.fc1.weight, network.encoder.blocks[1].mlp.fc1.weight)


def test_it_goes_on_from_another_second_stage(plain):
    network = task_of(initial=str(plain.folder), model__trainable_blocks=2).network
    last = load_file(plain.folder / "last.safetensors")
    assert all(torch.equal(tensor, last[name]) for name, tensor in network.state_dict().items())
    assert [block.attn.qkv.weight.requires_grad for block in network.encoder.blocks] == [True, True]


def test_batches_keep_the_order_of_the_first_epoch_unless_told():
    def places(task, epoch):
        return [Drawn().labels[rows[:, 0]].tolist() for rows in task.batches(epoch)]

    fixed, shuffled = task_of(), task_of(sampling__reshuffle=True)
    assert places(fixed, 0) == places(fixed, 1) == places(shuffled, 0) != places(shuffled, 1)
    assert sorted(place for batch in places(fixed, 0) for place in batch) == list(range(12))
    towns = [{place // 6 for place in batch} for batch in places(fixed, 0)]
    assert towns == [{0}, {0, 1}, {1}]  # city by city, as the list comes
    assert not all(np.array_equal(*pair) for pair in zip(fixed.batches(0), fixed.batches(1), strict=True))


def test_pairs_are_judged_as_the_paper_says_and_in_both_orders_where_asked():
    network = task_of().network
    torch.manual_seed(0)
    dense, labels = torch.randn(8, 4, 384), torch.tensor([0, 0, 1, 1, 2, 2, 3, 4])
    triplets = BatchHardMiner()(torch.randn(8, 5), labels)
    anchors, positives, negatives = triplets
    judged = judge(network, dense, triplets, symmetric=False, chunk=None)
    assert torch.allclose(judged.positive, network.pair_logit(dense[anchors], dense[positives]))
    assert torch.allclose(judged.negative, network.pair_logit(dense[anchors], dense[negatives]))
    expected = (F.softplus(-judged.positive).sum() + F.softplus(judged.negative).sum()) / (2 * len(anchors))
    assert judged.loss().item() == pytest.approx(expected.item(), rel=1e-5)
    both = judge(network, dense, triplets, symmetric=True, chunk=None)
    assert torch.equal(both.positive[:, :1], judged.positive)
    assert torch.allclose(both.negative[:, 1:], network.pair_logit(dense[negatives], dense[anchors]))
    assert not torch.allclose(both.negative[:, 1], both.negative[:, 0])
    chunked = judge(network, dense, triplets, symmetric=True, chunk=3)
    assert torch.allclose(chunked.positive, both.positive, atol=1e-6)


def test_a_batch_without_triplets_has_no_loss_of_pairs():
    network = task_of().network
    nothing = (torch.empty(0, dtype=torch.int64),) * 3
    judged = judge(network, torch.randn(3, 4, 384, requires_grad=True), nothing, symmetric=True, chunk=None)
    loss = judged.loss()
    loss.backward()
    assert loss.item() == 0


def test_gradient_caching_and_both_orders(tmp_path, plain):
    # Adam would blow up the rounding noise that is the gradient of a key's bias.
    descent = {"optimiser__kind": "sgd", "optimiser__rate": 0.05, "epochs": 1}
    whole, cached = run(tmp_path / "whole", **descent), run(tmp_path / "cached", running__chunk=3, **descent)
    assert losses(cached) == pytest.approx(losses(whole), abs=1e-5)
    one, other = (load_file(each.folder / "last.safetensors") for each in (whole, cached))
    assert all(torch.allclose(one[name], other[name], atol=1e-5) for name in one)
    both = run(tmp_path / "both", symmetric=True, epochs=1)
    assert log(both)[0]["global"] == pytest.approx(log(plain)[0]["global"]) and losses(both)[0] != losses(plain)[0]


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(tmp_path, plain):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", recorder=Stopping(5), running__checkpoint_every=1)
    again = run(tmp_path / "run", running__checkpoint_every=1)
    assert log(again) == log(plain)
    one, other = (load_file(each.folder / "last.safetensors") for each in (plain, again))
    assert all(torch.equal(one[name], other[name]) for name in one)


class Exploding:
    """A loss that is NaN at the calls named."""

    def __init__(self, calls):
        self.calls, self.count = calls, 0

    def __call__(self, embeddings, labels, indices_tuple=None):
        self.count += 1
        return embeddings.sum() * (math.nan if self.count in self.calls else 0.1)


def test_steps_that_are_not_finite_are_left_out_and_counted(tmp_path):
    from vprkit.training.losses import LOSSES, register_loss

    try:
        register_loss("exploding", lambda: Exploding({2, 4, 5}))
        found = run(tmp_path / "run", loss="exploding", running__skip_nonfinite=2)
        assert [line["skipped"] for line in log(found)] == [0, 1, 1, 2, 3, 3] and found.steps == 6
        assert all(tensor.isfinite().all() for tensor in load_file(found.weights).values())
        with pytest.raises(VprError, match="not finite in 2 steps in a row, the last one step 5"):
            run(tmp_path / "stops", loss="exploding", running__skip_nonfinite=1)
        with pytest.raises(VprError, match="the loss was not finite shortly before step"):
            run(tmp_path / "first", loss="exploding", running__skip_nonfinite=0)
    finally:
        del LOSSES["exploding"]


WORKER = """
import os, sys
from datetime import timedelta
import torch, torch.distributed as dist
from tests.methods.test_pairvpr_training import gradients_of, task_of
folder, rank = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(1)
meet = f"file://{folder}/meet"
dist.init_process_group("gloo", init_method=meet, rank=rank, world_size=2, timeout=timedelta(seconds=60))
rows = slice(0, 3) if rank == 0 else slice(3, None)
torch.save(gradients_of(task_of(symmetric=True), rows, parallel=True), f"{folder}/out{rank}.pt")
dist.barrier()
dist.destroy_process_group()
os._exit(0)  # gloo threads now and then abort the interpreter while it shuts down; everything is on disk
"""


def gradients_of(task, share=slice(None), parallel=False):
    """Losses of a share of the first batch, and the gradients that it leaves."""
    rows = task.batches(0)[0][share]
    images = [task.read(int(row), np.random.default_rng(int(row))) for row in rows.ravel()]
    module = DistributedDataParallel(task, find_unused_parameters=True) if parallel else task
    found = module(task.collate(rows, images))
    found["loss"].backward()
    gradients = {name: parameter.grad for name, parameter in task.named_parameters() if parameter.grad is not None}
    return {"losses": {name: value.detach() for name, value in found.items()}, "gradients": gradients}


def test_two_processes_give_the_gradient_of_one(tmp_path):
    """Mining over the gathered batch, every process judging its share of the pairs; shares of three places and one."""
    environment = {**os.environ, "PYTHONPATH": f"{Path('src').absolute()}:{Path.cwd()}", "OMP_NUM_THREADS": "1"}
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path), str(rank)], env=environment)
               for rank in range(2)]  # fmt: skip
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    alone = gradients_of(task_of(symmetric=True))
    for rank in range(2):
        found = torch.load(tmp_path / f"out{rank}.pt", weights_only=True)
        assert {name: float(value) for name, value in found["losses"].items()} == pytest.approx(
            {name: float(value) for name, value in alone["losses"].items()}, abs=1e-5
        )
        assert set(found["gradients"]) == set(alone["gradients"])
        for name, gradient in alone["gradients"].items():
            assert torch.allclose(found["gradients"][name], gradient, rtol=1e-4, atol=1e-5), name


def test_what_is_refused():
    with pytest.raises(ConfigError, match="model.class_token=true"):
        task_of(model__class_token=False)
    with pytest.raises(ConfigError, match=r"image_size is \(42, 42\), the model's is \(28, 28\)"):
        task_of(image_size=(42, 42))
    with pytest.raises(ConfigError, match="pair_weight must not be negative"):
        task_of(pair_weight=-1.0)
