"""Files as the authors write them, with numbers in them, through `load_method`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import vprkit
from vprkit.errors import WeightsError

Renamed = Callable[[str], str]


def old_boq_layout(name: str) -> str:
    for new, old in {
        "net.0.": "frozen_layers.0.0.",
        "net.1.": "frozen_layers.0.1.",
        "net.4.": "frozen_layers.1.",
        "net.5.": "frozen_layers.2.",
        "net.6.": "unfrozen_layers.0.",
    }.items():
        name = name.replace(f"backbone.{new}", f"backbone.{old}")
    return name


FILES: list[tuple[str, str, dict[str, Any], Renamed, str | None]] = [
    ("ResNet18_32_cosplace.pth", "cosplace-resnet18-32", {}, str, None),
    ("ResNet18_256_eigenplaces.pth", "eigenplaces-resnet18-256", {}, str, None),
    ("mine.ckpt", "mixvpr", {"backbone": "resnet18", "out_channels": 8}, str, None),
    ("mine.ckpt", "convap", {"backbone": "resnet18", "out_channels": 8}, str, "state_dict"),
    ("mine.pth", "boq", {"backbone": "resnet18", "proj_channels": 64, "num_queries": 4}, old_boq_layout, None),
    ("mine.pth", "boq", {"size": "S", "depth": 1, "proj_channels": 64, "final_norm": False}, str, None),
    ("mine.ckpt", "salad", {"size": "S", "depth": 1, "num_clusters": 8}, str, "state_dict"),
    ("mine.pth", "megaloc", {"size": "S", "depth": 1, "num_clusters": 8, "feat_dim": 16}, str, None),
    (
        "mine.ckpt",
        "dinomix",
        {"size": "S", "depth": 1, "image_size": 56, "out_channels": 8},
        lambda name: name.replace("backbone.dino.", "backbone.model."),
        "state_dict",
    ),
]


def write(path: Path, method: vprkit.Method, renamed: Renamed, wrapper: str | None) -> dict[str, torch.Tensor]:
    state = {renamed(name): tensor for name, tensor in method.network.state_dict().items()}
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, path)
    return state


@pytest.mark.parametrize(("file", "name", "options", "renamed", "wrapper"), FILES)
def test_files_are_told_by_what_they_hold(
    file: str, name: str, options: dict[str, Any], renamed: Renamed, wrapper: str | None, tmp_path: Path
) -> None:
    method = vprkit.load_method(name, weights="random", device="cpu", **options)
    write(tmp_path / file, method, renamed, wrapper)
    again = vprkit.load_method(weights=tmp_path / file, device="cpu")
    assert again.name == method.name and again.configuration == method.configuration
    images = torch.randn(1, 3, 112, 112)
    torch.testing.assert_close(again.describe(images).global_, method.describe(images).global_, rtol=0, atol=0)


def test_an_error_in_the_old_layout_speaks_the_old_layout(tmp_path: Path) -> None:
    method = vprkit.load_method(
        "boq", weights="random", device="cpu", backbone="resnet18", proj_channels=64, num_queries=4
    )
    state = write(tmp_path / "x.pth", method, old_boq_layout, None)
    del state["backbone.frozen_layers.2.0.conv1.weight"]
    state["backbone.unfrozen_layers.0.1.bn1.bias"] = torch.zeros(3)
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(WeightsError) as error:
        vprkit.load_method(weights=tmp_path / "x.pth", device="cpu")
    for name in ("backbone.frozen_layers.2.0.conv1.weight", "backbone.unfrozen_layers.0.1.bn1.bias"):
        assert f"(in the file's naming '{name}')" in str(error.value)
