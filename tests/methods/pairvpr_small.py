"""Both stages of Pair-VPR, small enough for tests; panoramas to learn from."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.training.cells import name_of

SIDE = 28

NETWORK: dict[str, Any] = {
    "model.size": "S",
    "model.depth": 2,
    "model.table_size": SIDE,
    "model.image_size": SIDE,
    "model.trainable_blocks": 1,
    "model.decoder_width": 16,
    "model.decoder_heads": 2,
    "model.decoder_depth": 2,
    "model.pair_hidden": 8,
    "model.descriptor": 8,
    "foundation": "random",
    "running.device": "cpu",
    "running.workers": 1,
    "running.log_every": 1,
}
PRETRAIN: dict[str, Any] = {
    **NETWORK,
    "batch": 4,
    "epochs": 3,
    "mask_ratio": 0.5,
    "schedule.warmup_epochs": 1,
    "optimiser.rate": 0.01,
    "running.keep_every": 2,
}
TRAIN: dict[str, Any] = {
    **NETWORK,
    "image_size": (SIDE, SIDE),
    "epochs": 2,
    "sampling.places": 4,
    "optimiser.rate": 1e-3,
    "validation.batch_size": 8,
}


def write_panoramas(folder: Path, cells: int = 3, images: int = 5) -> Path:
    """Small panoramas in cells along a street."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    for number in range(cells * images):
        pixels = rng.integers(0, 256, (32, 208, 3), np.uint8)
        name = name_of(550005 + 15 * (number // images) + number % images, 4180005 + number % 3, number)
        Image.fromarray(pixels).save(folder / name.replace("@000@", f"@{rng.integers(360):03d}@"))
    return folder


class Stopping:
    """Stops a run as Ctrl-C does, when so many batches were trained on."""

    def __init__(self, batches: int) -> None:
        self.left, self.said = batches, []

    def pace(self, pace: Any) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt

    def describing(self, what: str, done: int, total: int) -> None:
        pass

    def say(self, sentence: str) -> None:
        self.said.append(sentence)
