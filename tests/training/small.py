"""A training run small enough for tests: drawn pictures, a ResNet-18 of one stage, a mixer."""

import shutil
from typing import Any

import numpy as np
from PIL import Image

import vprkit
from tests.conftest import picture
from vprkit.data.places import CustomPlaces

SIDE = 32


class Drawn(CustomPlaces):
    """Noisy pictures of places, on no disk."""

    def __init__(self, places: int = 12, images: int = 4, seed: int = 0) -> None:
        super().__init__(
            f"drawn-{seed}", np.repeat(np.arange(places), images), groups=np.repeat([0, 1], places * images // 2)
        )
        self.seed = seed

    def photo(self, row: int) -> np.ndarray:
        return picture(1000 * self.seed + int(self.labels[row]), (SIDE, SIDE), noise=90.0, noise_seed=row)


def write_gsv(root, places: int = 12, images: int = 4):
    """The same as a GSV-Cities folder."""
    (root / "Dataframes").mkdir(parents=True)
    (root / "Images" / "Oslo").mkdir(parents=True)
    lines = ["place_id,year,month,northdeg,city_id,lat,lon,panoid"]
    drawn = Drawn(places, images)
    for row, label in enumerate(drawn.labels):
        lines.append(f"{label},2015,{row % images + 1},10,Oslo,59.9,10.7,p{row}")
        name = f"Oslo_{label:07d}_2015_{row % images + 1:02d}_010_59.9_10.7_p{row}.jpg"
        Image.fromarray(drawn.photo(row)).save(root / "Images" / "Oslo" / name)
    (root / "Dataframes" / "Oslo.csv").write_text("\n".join(lines) + "\n")
    return root


def copied(source, folder):
    """The benchmark of a set that tests may spoil."""
    shutil.copytree(source, folder)
    return vprkit.open_benchmark(folder)


def break_photos(benchmark):
    """Make the third database photo and the first query unreadable."""
    for path in (benchmark.database.path(2), benchmark.queries.path(0)):
        path.write_bytes(b"no picture")


OPTIONS: dict[str, Any] = {
    "model.backbone": "resnet18",
    "model.stages": 1,
    "model.image_size": (SIDE, SIDE),
    "model.out_channels": 16,
    "model.out_rows": 2,
    "model.mix_depth": 1,
    "image_size": (SIDE, SIDE),
    "trunk.weights": "random",
    "trunk.frozen_layers": 0,
    "sampling.places": 4,
    "optimiser.rate": 0.02,
    "schedule.warmup_steps": 2,
    "schedule.milestones": (1,),
    "epochs": 2,
    "running.device": "cpu",
    "running.log_every": 1,
    "running.workers": 1,
    "validation.batch_size": 8,
}
"""Recipe `mixvpr`, made small."""


def as_arguments(options: dict[str, Any]) -> list[str]:
    """The same for the command line."""
    return [f"{key}={list(value) if isinstance(value, tuple) else value}" for key, value in options.items()]
