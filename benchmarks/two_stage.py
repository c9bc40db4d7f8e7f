"""Anonymous memory and seconds of a two-stage evaluation with dense synthetic local maps, kept in the store."""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from common import table
from PIL import Image
from store_memory import Peak, rss_anon
from torch import Tensor, nn

import vprkit
from vprkit.data.benchmark import Benchmark, open_records
from vprkit.data.positives import Positives
from vprkit.evaluation.two_stage import Second
from vprkit.features import Features, LocalFeatures
from vprkit.method import Method
from vprkit.preprocessing import Preprocessing
from vprkit.rerank.mutual_matches import MutualMatches


class DenseMaps(nn.Module):
    """A global vector and a map of unit descriptors that follow from the picture's mean colour alone."""

    def __init__(self, side: int, channels: int) -> None:
        super().__init__()
        self.side, self.channels = side, channels

    def forward(self, images: Tensor) -> Features:
        maps, vectors = [], []
        for image in images:
            generator = torch.Generator().manual_seed(int(1000 * image.mean((1, 2)).abs().sum()))
            tokens = torch.randn(self.side**2, self.channels, generator=generator)
            maps.append(nn.functional.normalize(tokens, dim=-1))
            vectors.append(nn.functional.normalize(tokens[:4].flatten(), dim=0))
        counts = torch.full((len(images),), self.side**2)
        return Features(torch.stack(vectors), LocalFeatures(torch.stack(maps), counts, (self.side, self.side)))


def photos(folder: Path, count: int) -> Path:
    """Pictures of one colour each."""
    folder.mkdir()
    for number in range(count):
        colour = np.random.default_rng(number).integers(0, 256, 3, np.uint8)
        Image.fromarray(np.broadcast_to(colour, (16, 16, 3)).copy()).save(folder / f"{number:05}.png")
    return folder


def main(count: int, asked: int, side: int, channels: int, rerank: int, dtype: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        database = open_records(photos(Path(scratch) / "database", count))
        queries = database.take(np.arange(0, count, count // asked)[:asked])
        positives = Positives.of([[row] for row in range(0, count, count // asked)][:asked])
        benchmark = Benchmark("dense", database, queries, positives, "itself")
        method = Method(DenseMaps(side, channels), Preprocessing(size=(16, 16)), reranker=MutualMatches(), device="cpu")
        watch, before, start = Peak(), rss_anon(), time.perf_counter()
        watch.start()
        result = vprkit.evaluate(method, benchmark, rerank=Second(rerank, "store", dtype),  # type: ignore[arg-type]
                                 features=Path(scratch) / "features")  # fmt: skip
        seconds = time.perf_counter() - start
        watch.stop = True
        kept = sum(path.stat().st_size for path in (Path(scratch) / "features").rglob("local.*"))
    again = result.timings["rerank"]
    table(
        f"{count} images with maps of {side} x {side} x {channels} as {dtype}, {asked} queries, rerank {rerank}",
        ("seconds", "MB kept", "ms per query, second stage", "anonymous MB beyond the start", "R@1"),
        [(f"{seconds:.0f}", f"{kept / 1e6:.0f}", f"{again['median_ms']:.0f}", f"{(watch.peak - before) / 1024:.0f}",
          f"{result.recalls[1]:.1f}")],
    )  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5_000)
    parser.add_argument("--queries", type=int, default=10)
    parser.add_argument("--side", type=int, default=61)
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--rerank", type=int, default=100)
    parser.add_argument("--dtype", default="float16")
    given = parser.parse_args()
    main(given.count, given.queries, given.side, given.channels, given.rerank, given.dtype)
