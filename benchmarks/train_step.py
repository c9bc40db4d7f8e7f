"""Training steps fed from disk against the same steps on a batch at hand plus decoding alone."""

import argparse
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
import torch
from common import table
from describe import write_photos

from vprkit import device as devices
from vprkit.data.places import CustomPlaces
from vprkit.registry import find_recipe, load_attribute
from vprkit.training.fabric import launch, make_optimiser
from vprkit.training.reporting import Pace
from vprkit.training.train import resolve_settings, train


class Photos(CustomPlaces):
    """JPEG files of 640 x 480, four a place."""

    def __init__(self, paths: list[Path]) -> None:
        super().__init__("photos", np.repeat(np.arange(len(paths) // 4), 4))
        self.paths = paths

    def photo(self, row: int) -> Path:
        return self.paths[row]


WARM = 3
"""Steps of an epoch that are not counted."""


class Clock:
    """Remembers when each batch was handed to the device; for the last and the last that is not counted, done there."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.times: list[float] = []

    def pace(self, pace: Pace) -> None:
        if pace.batch in (WARM, pace.batches):
            devices.synchronize(self.device)
        self.times.append(time.perf_counter())

    def describing(self, what: str, done: int, total: int) -> None: ...

    def say(self, sentence: str) -> None: ...


def fed(recipe: str, photos: Photos, options: dict[str, object], folder: Path, device: torch.device) -> float:
    """Seconds per step of a whole epoch of `vprkit.train`, its first steps left out."""
    clock = Clock(device)
    train(recipe, {"train": photos}, out=folder, options=options, reporter=clock)
    return (clock.times[-1] - clock.times[WARM - 1]) / (len(clock.times) - WARM)


def alone(recipe: str, photos: Photos, options: dict[str, object], steps: int) -> tuple[float, float]:
    """Seconds per step on a batch at hand, and seconds to decode a batch with the same threads."""
    settings = resolve_settings(find_recipe(recipe), None, options)
    fabric = launch(settings.running)
    task = load_attribute(find_recipe(recipe).task)(settings, {"train": photos})
    module, optimiser = fabric.setup(task, make_optimiser(settings.optimiser, task.parameter_groups()))
    rows = task.batches(0)[0]
    threads = ThreadPoolExecutor(settings.running.workers or min(16, os.cpu_count() or 1))
    generator = np.random.default_rng(0)

    def decode() -> list[torch.Tensor]:
        return list(threads.map(lambda row: task.read(int(row), generator), rows.ravel()))

    batch = fabric.to_device(task.collate(rows, decode()))
    task.start_training()

    def step() -> None:
        fabric.backward(module(batch)["loss"])
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        devices.synchronize(fabric.device)

    seconds: dict[str, list[float]] = {"step": [], "decode": []}
    for number in range(steps + WARM):
        for name, work in (("step", step), ("decode", decode)):
            start = time.perf_counter()
            work()
            if number >= WARM:
                seconds[name].append(time.perf_counter() - start)
    return float(np.mean(seconds["step"])), float(np.mean(seconds["decode"]))


def main(backbone: str, side: int, places: int, steps: int, repeats: int, device: str) -> None:
    chosen = devices.resolve_device(device)
    options: dict[str, object] = {
        "model.backbone": backbone, "trunk.weights": "random", "trunk.frozen_layers": 0, "image_size": (side, side),
        "model.image_size": (side, side), "sampling.places": places, "epochs": 1, "running.device": device,
        "running.checkpoint_every": 0,
    }  # fmt: skip
    rows, ratios = [], []
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "photos").mkdir()
        photos = Photos(write_photos(Path(scratch) / "photos", (steps + WARM) * places * 4))
        for repeat in range(repeats):
            step, decode = alone("mixvpr", photos, options, steps)
            together = fed("mixvpr", photos, options, Path(scratch) / f"run{repeat}", chosen)
            bound = step + decode if chosen.type == "cpu" else max(step, decode)
            ratios.append(together / bound)
            rows.append((f"{1000 * step:.0f}", f"{1000 * decode:.0f}", f"{1000 * together:.0f}", f"{ratios[-1]:.3f}"))
    words = "the sum" if chosen.type == "cpu" else "the larger"
    table(
        f"MixVPR on {backbone}, {places} places x 4 images of 640 x 480 at {side} px, {steps} steps, {chosen.type}",
        ("step alone, ms", "decode alone, ms", "fed from disk, ms", f"times {words}"),
        rows,
    )
    print(f"\nmedian of {repeats}: {median(ratios):.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--places", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    main(given.backbone, given.side, given.places, given.steps, given.repeats, given.device)
