"""Processes, devices and precision of a run."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from vprkit.errors import ConfigError
from vprkit.training import fabric as fabrics
from vprkit.training.settings import Running


class Batch(NamedTuple):
    images: Tensor
    vectors: Tensor


class Sum(nn.Module):
    """One layer; remembers what it was given."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, batch):
        self.given = batch
        return self.layer(batch.vectors)


def test_a_batch_keeps_its_numbers_where_the_network_computes_in_half_precision():
    fabric = fabrics.launch(Running(device="cpu", precision="bf16"))
    task = Sum()
    batch = Batch(torch.zeros(2, 3, dtype=torch.uint8), torch.tensor([[1 / 3, 1 + 2**-12]]))
    fabric.setup(task)(batch)
    assert task.given.images.dtype == torch.uint8 and torch.equal(task.given.vectors, batch.vectors)
    assert task.given.vectors.dtype == torch.float32


@pytest.mark.parametrize(("devices", "nodes"), [(1, 1), (3, 1), (2, 2)])
def test_torchrun_must_start_as_many_processes_as_the_settings_say(monkeypatch, devices, nodes):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match=f"torchrun started 2 processes, but .* is {devices * nodes};"):
        fabrics.launch(Running(device="cpu", devices=devices, nodes=nodes))
