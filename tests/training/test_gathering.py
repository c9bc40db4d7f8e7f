"""Two processes give the gradient of one on the joined batch."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from vprkit.errors import ConfigError
from vprkit.registry import find_recipe, load_attribute
from vprkit.training.gathering import gather_embeddings, gather_labels, shareable
from vprkit.training.losses import make_loss, make_miner
from vprkit.training.train import resolve_settings

WORKER = """
import os, sys
from datetime import timedelta
import torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from vprkit.training.gathering import gather_embeddings, gather_labels
from vprkit.training.losses import make_loss, make_miner
folder, rank = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(1)
meet = f"file://{folder}/meet"
dist.init_process_group("gloo", init_method=meet, rank=rank, world_size=2, timeout=timedelta(seconds=60))
data = torch.load(f"{folder}/data.pt")
network = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 4))
network.load_state_dict(data["state"])
network = DistributedDataParallel(network)
rows = slice(0, data["cut"]) if rank == 0 else slice(data["cut"], None)
embeddings = gather_embeddings(network(data["images"][rows]))
labels = gather_labels(data["labels"][rows])
loss = make_loss("multi_similarity")(embeddings, labels, make_miner("multi_similarity")(embeddings, labels))
loss.backward()
gradients = {name: parameter.grad for name, parameter in network.module.named_parameters()}
torch.save({"loss": loss.detach(), "labels": labels, "gradients": gradients}, f"{folder}/out{rank}.pt")
dist.barrier()
dist.destroy_process_group()
os._exit(0)  # gloo threads now and then abort the interpreter while it shuts down; everything is on disk
"""


@pytest.mark.parametrize("cut", [8, 5])
def test_two_processes_equal_one(tmp_path, cut):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 4))
    images, labels = torch.randn(16, 6), torch.arange(4).repeat(4)
    torch.save({"state": network.state_dict(), "images": images, "labels": labels, "cut": cut}, tmp_path / "data.pt")
    environment = {**os.environ, "PYTHONPATH": str(Path("src").absolute()), "OMP_NUM_THREADS": "1"}
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path), str(rank)], env=environment)
               for rank in range(2)]  # fmt: skip
    assert [worker.wait() for worker in workers] == [0, 0]
    embeddings = network(images)
    loss = make_loss("multi_similarity")(embeddings, labels, make_miner("multi_similarity")(embeddings, labels))
    loss.backward()
    for rank in range(2):
        found = torch.load(tmp_path / f"out{rank}.pt", weights_only=True)
        assert torch.equal(found["labels"], labels)
        assert torch.allclose(found["loss"], loss.detach(), atol=1e-6)
        for name, parameter in network.named_parameters():
            assert torch.allclose(found["gradients"][name], parameter.grad, atol=1e-6), name
            assert parameter.grad.abs().max() > 1e-3


def test_alone_nothing_changes():
    embeddings, labels = torch.randn(3, 2), torch.arange(3)
    assert gather_embeddings(embeddings) is embeddings and gather_labels(labels) is labels


def test_batches_that_not_every_process_has_a_share_of_are_left_out(monkeypatch):
    epoch = [np.zeros((items, 4), np.int64) for items in (3, 2, 1)]
    assert shareable(epoch) == epoch and shareable([]) == []
    monkeypatch.setattr("vprkit.training.gathering.world_size", lambda: 2)
    assert shareable(epoch) == epoch[:2]
    monkeypatch.setattr("vprkit.training.gathering.world_size", lambda: 4)
    with pytest.raises(ConfigError, match="a batch of 3 cannot be shared among 4 processes"):
        shareable(epoch)


@pytest.mark.parametrize("name", ["selavpr", "pairvpr-pretrain"])
def test_more_processes_than_items_of_a_batch_are_refused_before_anything_is_opened(name, monkeypatch):
    monkeypatch.setattr("vprkit.training.gathering.world_size", lambda: 2)
    recipe = find_recipe(name)
    settings = resolve_settings(recipe, None, {"batch": 1})
    with pytest.raises(ConfigError, match="a batch of 1 cannot be shared among 2 processes"):
        load_attribute(recipe.task)(settings, {"train": Path("nowhere")})
