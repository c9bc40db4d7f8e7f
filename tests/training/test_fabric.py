"""Processes, devices and precision of a run."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

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
