import sys

import pytest
import torch

from vprkit.errors import ConfigError, MissingExtra
from vprkit.training.losses import LOSSES, MINERS, make_loss, make_miner


@pytest.mark.parametrize("name", LOSSES)
def test_losses_prefer_places_that_agree(name):
    """Embeddings that agree within places cost less than the same ones with labels mixed up."""
    torch.manual_seed(0)
    centres = torch.nn.functional.normalize(torch.randn(4, 16), dim=1)
    embeddings = torch.nn.functional.normalize(centres.repeat_interleave(4, 0) + 0.05 * torch.randn(16, 16), dim=1)
    right, wrong = torch.arange(4).repeat_interleave(4), torch.arange(4).repeat(4)
    assert float(make_loss(name)(embeddings, right)) < float(make_loss(name)(embeddings, wrong))


def test_miners_and_no_miner():
    embeddings, labels = torch.randn(8, 4), torch.arange(4).repeat(2)
    assert make_miner("none") is None
    for name in set(MINERS) - {"none"}:
        assert all(part.dtype == torch.int64 for part in make_miner(name)(embeddings, labels))


def test_unknown_names_and_missing_packages(monkeypatch):
    with pytest.raises(ConfigError, match="loss 'multisimilarity'.*did you mean 'multi_similarity'"):
        make_loss("multisimilarity")
    with pytest.raises(ConfigError, match="miner 'hard'"):
        make_miner("hard")
    monkeypatch.setitem(sys.modules, "pytorch_metric_learning.losses", None)
    with pytest.raises(MissingExtra, match=r"pip install .*\[train\]"):
        make_loss("circle")
