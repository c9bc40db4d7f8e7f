"""Recipes trained on the device: the losses of a CPU, step by step, each after the updates before it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.accelerator.device import DEVICE
from tests.methods import test_lavpr_crossmodal_training as crossmodal
from tests.methods import test_lavpr_fusion_training as fusion
from tests.methods.crossmodal_small import tiny
from tests.methods.pairvpr_small import PRETRAIN, TRAIN
from tests.methods.test_recipes import COMMON, SMALL
from tests.methods.test_selavpr import OPTIONS as SELAVPR
from tests.training.cells import write_cells
from tests.training.small import Drawn
from tests.training.test_classes import SMALL as CELLS
from vprkit.data.benchmark import open_benchmark
from vprkit.loading import save_method
from vprkit.training.train import train

described, photographed = crossmodal.places, fusion.places
"""Places with texts."""

STEPS = {"running.steps_per_epoch": 2, "running.log_every": 1, "optimiser.rate": 1e-3}
JITTER = {"augmentation.brightness": 0.4, "augmentation.hue": 0.2, "augmentation.crop_area": 0.5,
          "augmentation.perspective": 0.2, "augmentation.rotation": 10.0}  # fmt: skip
BELOW = ("salad", "convap", "boq-resnet50")
"""Recipes that are tried with more beside them, or that differ from another by their trunk."""

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {**COMMON, **options, **STEPS}) for name, options in SMALL.items() if name not in BELOW},
    "chunked": ("salad", {**COMMON, **SMALL["salad"], **STEPS, "running.chunk": 3}),
    "augmented": ("convap", {**COMMON, **SMALL["convap"], **STEPS, **JITTER}),
    "pairvpr-pretrain": ("pairvpr-pretrain", PRETRAIN),
    "pairvpr": ("pairvpr", {**TRAIN, "epochs": 1, "symmetric": True, "running.chunk": 4}),
}


def losses(recipe: str, data: dict[str, Any], options: dict[str, Any], out: Path) -> list[float]:
    """Step by step."""
    run = train(recipe, data, out=out, options=options)
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def both(recipe: str, data: dict[str, Any], options: dict[str, Any], out: Path) -> None:
    exact = {**options, "running.precision": "fp32", "running.tf32": "none"}
    here = losses(recipe, data, {**exact, "running.device": "cpu"}, out / "here")
    there = losses(recipe, data, {**exact, "running.device": str(DEVICE)}, out / "there")
    assert len(here) > 1 and there == pytest.approx(here, rel=1e-3)


@pytest.mark.parametrize("name", sorted(CASES))
def test_recipes(name: str, tmp_path: Path) -> None:
    recipe, options = CASES[name]
    both(recipe, {"train": Drawn(6)}, options, tmp_path)


def test_selavpr_with_mining_and_a_re_ranked_validation(photo_set: Path, tmp_path: Path) -> None:
    benchmark = open_benchmark(photo_set)
    both("selavpr", {"train": benchmark, "val": benchmark}, {**SELAVPR, "epochs": 1}, tmp_path)


def test_classes_of_cells(tmp_path: Path) -> None:
    both("cosplace", {"train": write_cells(tmp_path / "cells")}, CELLS, tmp_path)


def test_towers_of_images_and_texts(described: Path, tmp_path: Path) -> None:
    base = str(save_method(tiny(), tmp_path / "base.safetensors"))
    options = {**crossmodal.SETTINGS, "initial": base, "running.log_every": 1}
    both("lavpr-crossmodal", {"train": described}, options, tmp_path)


def test_a_head_that_weighs_images_and_texts(photographed: Path, tmp_path: Path) -> None:
    options = {**fusion.OPTIONS, "model.head": "ads", "feature_cache": str(tmp_path / "features")}
    both("lavpr-fusion", {"train": photographed}, options, tmp_path)
