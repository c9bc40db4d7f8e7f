"""A training set of map cells small enough for tests, a held-out benchmark, and a CLIP of few weights."""

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save_file

from tests.conftest import picture
from vprkit.backbones.clip_resnet import ClipResNet
from vprkit.backbones.clip_text import VOCABULARY, ClipText
from vprkit.backbones.clip_vit import ClipViT

SIDE = 32
CELLS = 8

GROUPING: dict[str, Any] = {"grouping.cells": 2, "grouping.sectors": 1, "grouping.min_images": 3, "groups": 2}
RUNNING: dict[str, Any] = {
    "running.device": "cpu",
    "running.log_every": 1,
    "running.workers": 1,
    "running.checkpoint_every": 0,
    "validation.batch_size": 8,
}


def name_of(east: float, north: float, number: int) -> str:
    return f"@{east:010.2f}@{north:010.2f}@10@S@037.81098@-122.47762@p{number}@@000@@@@201409@@.jpg"


def write_cells(root: Path, images: int = 4, noise: int = 0) -> Path:
    """A row of cells along the east, four pictures of each; neighbours belong to different groups."""
    root.mkdir(parents=True, exist_ok=True)
    for cell in range(CELLS):
        for number in range(images):
            seed = noise + cell * images + number
            photo = picture(cell, (SIDE, SIDE), noise=30.0, noise_seed=seed)
            where = root / name_of(550000 + 10 * cell + number, 4180001, seed)
            Image.fromarray(photo).save(where, quality=95)
    return root


def write_benchmark(root: Path) -> Path:
    for number, role in enumerate(("database", "queries")):
        write_cells(root / "images" / "test" / role, 1, 1000 * (number + 1))
    return root


def write_clip(path: Path, encoder: str = "vit", side: int = 64) -> Path:
    """Random numbers under OpenAI's names; its images have `side` pixels."""
    torch.manual_seed(3)
    image = ClipViT(side, 16, 64, 2, 24) if encoder == "vit" else ClipResNet((1, 1, 1, 1), 4)
    if isinstance(image, ClipResNet):
        image.add_attention_pool(side // 32, 24)
    state = {f"visual.{name}": value.clone() for name, value in image.state_dict().items()}
    state |= {name: value.clone() for name, value in ClipText(64, 1, 1, 24).state_dict().items()}
    state |= {"token_embedding.weight": 0.1 * torch.randn(VOCABULARY, 64), "logit_scale": torch.tensor(4.6)}
    save_file(state, path)
    return path
