"""What a GPU leaves to the CPU: describing and training from disk while something that sleeps stands for the GPU.

No GPU is needed. What this shows is that decoding goes on while the network works, and what handing over costs; what a
GPU's queue, copies and drivers add it cannot show: that takes `describe.py` and `train_step.py` with `--device`.
"""

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import torch
from common import table
from describe import write_photos
from torch import Tensor, nn
from train_step import Photos, alone, fed

from vprkit import device as devices
from vprkit.data import images
from vprkit.data.folders import records_of_names
from vprkit.method import Method
from vprkit.preprocessing import Preprocessing
from vprkit.retrieval.build import describe_into
from vprkit.retrieval.describe import Streaming, describe_paths
from vprkit.training.places import PlaceTask


class Queue(nn.Module):
    """A network on a GPU that is none: batches are taken at once and done one after the other, without a core."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds, self.done = seconds, 0.0

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > 1:  # not where the method asks for its dimension
            self.done = max(self.done, time.perf_counter()) + self.seconds
        return images[:, :, 0, 0].float().repeat(1, 128)  # 384 numbers, as many as of a DINOv2-S

    def stretch(self, device: torch.device) -> "Waited":
        return Waited(self)


class Waited:
    """In the place of `devices.Stretch`: asking for the seconds waits until the batch is done."""

    def __init__(self, queue: Queue) -> None:
        self.queue, self.device, self.until = queue, torch.device("cpu"), 0.0

    def end(self) -> None:
        self.until = self.queue.done

    def seconds(self) -> float:
        time.sleep(max(0.0, self.until - time.perf_counter()))
        return self.queue.seconds


def describing(paths: list[Path], seconds: float, side: int, store: Path | None = None) -> tuple[float, float, float]:
    """Milliseconds per batch: decode alone, the network alone, describing, into a store where one is named."""
    queue = Queue(seconds)
    method = Method.from_module(queue, Preprocessing(size=(side, side)), device="cpu")
    devices.Stretch = queue.stretch  # type: ignore[assignment, misc]
    images.finish = lambda batch, preprocessing: batch  # the GPU normalises
    streaming = Streaming()
    batches = len(paths) / streaming.batch_size
    start = time.perf_counter()
    with ThreadPoolExecutor(streaming.threads) as pool:
        for _ in pool.map(lambda path: images.load(path, method.preprocessing), paths, chunksize=16):
            pass
    decode = time.perf_counter() - start
    records = records_of_names(paths[0].parent, [path.name for path in paths])
    start = time.perf_counter()
    if store is not None:
        describe_into(store, method, records, streaming)
    else:
        for _ in describe_paths(method, paths, streaming):
            pass
    return 1000 * decode / batches, 1000 * seconds, 1000 * (time.perf_counter() - start) / batches


def training(photos: Photos, seconds: float, side: int, steps: int, folder: Path) -> tuple[float, float, float]:
    """Milliseconds per step: decode alone, the network alone, fed from disk."""
    forward = PlaceTask.forward

    def sleeping(self: PlaceTask, batch: object) -> dict[str, Tensor]:
        time.sleep(seconds)
        return {"loss": 0 * next(self.parameters()).sum()}

    options: dict[str, object] = {
        "model.backbone": "resnet18", "trunk.weights": "random", "trunk.frozen_layers": 0, "image_size": (side, side),
        "model.image_size": (side, side), "sampling.places": 8, "epochs": 1, "running.device": "cpu",
        "running.checkpoint_every": 0, "running.ahead": 3,
    }  # fmt: skip
    PlaceTask.forward = sleeping  # type: ignore[method-assign, assignment]
    try:
        step, decode = alone("mixvpr", photos, options, steps)
        together = fed("mixvpr", photos, options, folder, torch.device("cpu"))
    finally:
        PlaceTask.forward = forward  # type: ignore[method-assign]
    return 1000 * decode, 1000 * step, 1000 * together


def main(count: int, side: int, repeats: int) -> None:
    devices.computes_beside = lambda device: True
    rows: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "photos").mkdir()
        paths = write_photos(Path(scratch) / "photos", count)
        photos = Photos(paths)
        describing(paths, 0.001, side)  # warm up
        decode = describing(paths, 0.001, side)[0] / 1000
        for share in (0.5, 1.0, 2.0):
            ratios, seen = [], []
            for repeat in range(repeats):
                for name, measured in (
                    ("describing", describing(paths, share * decode, side)),
                    ("into a store", describing(paths, share * decode, side, Path(scratch) / f"{share}-{repeat}.map")),
                    ("training", training(photos, share * decode, side, 20, Path(scratch) / f"{share}-{repeat}")),
                ):
                    ratios.append((name, measured[2] / max(measured[:2])))
                    seen.append((name, measured))
            for name in ("describing", "into a store", "training"):
                each = [ratio for what, ratio in ratios if what == name]
                last = [measured for what, measured in seen if what == name][-1]
                rows.append((name, *(f"{part:.0f}" for part in last), f"{median(each):.3f}",
                             f"{min(each):.2f} to {max(each):.2f}"))  # fmt: skip
    table(
        f"Batches of 32 photos of 640 x 480 at {side} px beside a network that sleeps, {count} photos, {repeats} times",
        ("", "decode alone, ms", "network alone, ms", "together, ms", "times the larger, median", "of"),
        rows,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1600)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    main(given.count, given.side, given.repeats)
