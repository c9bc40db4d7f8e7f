"""`torch.hub.load` gives our methods from a checkout."""

from pathlib import Path

import pytest
import torch

ROOT = str(Path(__file__).parents[1])


def hub(entry, *arguments, **options):
    return torch.hub.load(ROOT, entry, *arguments, source="local", **options)


def test_networks_and_methods_by_name():
    network = hub("load", "cosplace", "random", backbone="resnet18", dim=8)
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 8) and not network.training
    assert hub("method", "hog").name == "hog"
    with pytest.raises(ValueError, match="there is no cosplace-resnet18-2048; released are cosplace-"):
        hub("get_trained_model", backbone="ResNet18", fc_output_dim=2048)
    assert "progeo-vit-b-16" in hub("methods", "progeo-*")
