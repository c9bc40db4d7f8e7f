"""Anonymous memory while a store of 100,000 images is described (random descriptors, so that only we are measured)."""

import argparse
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import torch
from common import table
from PIL import Image
from torch import nn

from vprkit.data.benchmark import open_records
from vprkit.method import Method
from vprkit.preprocessing import Preprocessing
from vprkit.retrieval.build import describe_into
from vprkit.retrieval.index import ExactIndex
from vprkit.retrieval.store import FeatureStore


class RandomDescriptors(nn.Module):
    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.dimension = dimension

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(torch.randn(len(images), self.dimension), dim=1)


def rss_anon() -> int:
    """Kilobytes of memory that no file backs (Linux)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1])


class Peak(threading.Thread):
    """Watches RssAnon every 20 ms."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak, self.stop = 0, False

    def run(self) -> None:
        while not self.stop:
            self.peak = max(self.peak, rss_anon())
            time.sleep(0.02)


def main(count: int, dimension: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        photos = Path(scratch) / "photos"
        photos.mkdir()
        Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(photos / "0.png")
        for number in range(1, count):
            folder = photos / f"{number // 60_000}"  # a file has a limited number of hard links
            folder.mkdir(exist_ok=True)
            target = folder / f"{number}.png"
            first = folder / f"{number - number % 60_000 or 1}.png"
            target.write_bytes((photos / "0.png").read_bytes()) if target == first else target.hardlink_to(first)
        method = Method.from_module(RandomDescriptors(dimension), Preprocessing(size=(32, 32)), device="cpu")
        before = rss_anon()
        watch = Peak()
        watch.start()
        start = time.perf_counter()
        records = open_records(photos)
        describe_into(Path(scratch) / "store", method, records)
        built = time.perf_counter() - start
        building = watch.peak
        store = FeatureStore.open(Path(scratch) / "store")
        ExactIndex(store.vectors).search(store.vectors[:100].copy(), 20)
        watch.stop = True
        watch.join()
    table(
        f"Store of {count:,} images, {dimension} numbers each ({count * dimension * 4 / 1e6:.0f} MB of vectors)",
        ("", "MB beyond the start"),
        [
            ("peak while building", f"{(building - before) / 1e3:.0f}"),
            ("peak with opening and searching it", f"{(watch.peak - before) / 1e3:.0f}"),
            ("images/s (decode of 32 x 32 included)", f"{count / built:.0f}"),
        ],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=4096)
    given = parser.parse_args()
    main(given.count, given.dimension)
