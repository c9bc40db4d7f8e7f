"""NetVLAD's MATLAB file: written here as the authors' program lays it out, read back as tensors of the network."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import savemat

from vprkit.errors import WeightsError
from vprkit.methods.netvlad.checkpoint import convert, recognise
from vprkit.methods.netvlad.network import NetVLADConfig, build
from vprkit.weights import FileFormat, fit, read

CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)


def layer(*weights: np.ndarray) -> dict[str, Any]:
    cell = np.empty(len(weights), dtype=object)
    cell[:] = list(weights)
    return {"type": "some", "weights": cell}


def write(path: Path, state: dict[str, torch.Tensor]) -> None:
    layers = np.empty(34, dtype=object)
    for number in range(34):
        layers[number] = {"type": "relu"}
    for number in CONVOLUTIONS:
        weight = state[f"backbone.{number}.weight"].permute(2, 3, 1, 0).numpy()
        layers[number] = layer(weight, state[f"backbone.{number}.bias"].numpy())
    scores, centres = state["netvlad.score_proj.weight"][:, :, 0].t().numpy(), state["netvlad.centers"].numpy()
    layers[30] = layer(scores, -centres)
    layers[33] = layer(state["whiten.weight"].t().numpy()[None, None], state["whiten.bias"].numpy())
    savemat(path, {"net": {"layers": layers, "meta": {"normalization": {"averageImage": np.zeros((1, 1, 3))}}}})


def test_the_authors_file_becomes_the_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = NetVLADConfig(num_clusters=2, whiten_dim=6)
    network, other = build(config).eval(), build(config).eval()
    write(tmp_path / "net.mat", network.state_dict())
    checkpoint = read(tmp_path / "net.mat")
    assert checkpoint.format is FileFormat.MATLAB
    assert recognise(checkpoint.shapes) == {"num_clusters": 2, "whiten_dim": 6}
    fit(other, convert(checkpoint.state), source="net.mat")
    images = torch.randn(1, 3, 32, 48)
    with torch.inference_mode():
        torch.testing.assert_close(other(images), network(images))


def test_a_missing_layer_is_named(tmp_path: Path) -> None:
    network = build(NetVLADConfig(num_clusters=2, whiten_dim=6))
    write(tmp_path / "net.mat", network.state_dict())
    state = read(tmp_path / "net.mat").state
    del state["net.layers.30.weights.1"], state["net.layers.28.weights.0"]
    with pytest.raises(WeightsError, match=r"2 missing: 'backbone\.28\.weight'.*'netvlad\.centers'"):
        fit(network, convert(state), source="net.mat")


def test_converted_files_stay_as_they_are() -> None:
    state = {"netvlad.centers": torch.zeros(2, 2)}
    assert convert(state) == state


def test_a_cut_file_is_damaged(tmp_path: Path) -> None:
    write(tmp_path / "net.mat", build(NetVLADConfig(num_clusters=2, whiten_dim=6)).state_dict())
    content = (tmp_path / "net.mat").read_bytes()
    (tmp_path / "cut.mat").write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match="damaged MATLAB file"):
        read(tmp_path / "cut.mat")
