"""Describing photos from disk against decoding alone plus the network alone."""

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from common import table
from PIL import Image

from vprkit import device as devices
from vprkit.data import images
from vprkit.loading import load_method
from vprkit.retrieval.describe import Streaming, describe_paths


def write_photos(folder: Path, count: int) -> list[Path]:
    """JPEG photos of 640 x 480 with some texture; 50 different ones, repeated."""
    paths = []
    for number in range(count):
        path = folder / f"{number:05}.jpg"
        if number < 50:
            coarse = np.random.default_rng(number).integers(0, 256, (60, 80, 3), np.uint8)
            Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC).save(path, quality=90)
        else:
            path.hardlink_to(folder / f"{number % 50:05}.jpg")
        paths.append(path)
    return paths


def main(count: int, name: str, resize: str, depth: int, device: str) -> None:
    method = load_method(name, weights="random", resize=resize, device=device, depth=depth)
    streaming = Streaming()
    with tempfile.TemporaryDirectory() as scratch:
        paths = write_photos(Path(scratch), count)
        for _ in describe_paths(method, paths[:256], streaming):  # warm up
            pass

        start = time.perf_counter()
        with ThreadPoolExecutor(streaming.threads) as pool:
            for _ in pool.map(lambda path: images.load(path, method.preprocessing), paths, chunksize=16):
                pass
        decode = time.perf_counter() - start

        batch = torch.stack([images.load(path, method.preprocessing) for path in paths[: streaming.batch_size]])
        start = time.perf_counter()
        for _ in range(0, count, streaming.batch_size):
            ready = images.finish(batch.to(method.device), method.preprocessing)
            method.describe_batch(ready).cpu()
        devices.synchronize(method.device)
        network = time.perf_counter() - start

        start = time.perf_counter()
        for _ in describe_paths(method, paths, streaming):
            pass
        together = time.perf_counter() - start
    bound = max(decode, network) if method.device.type != "cpu" else decode + network
    words = "the larger" if method.device.type != "cpu" else "the sum"
    table(
        f"Describing {count} photos with {name} at {resize}, depth {depth}, {method.device.type}",
        ("", "seconds", "images/s", f"times {words}"),
        [
            ("decode alone", f"{decode:.2f}", f"{count / decode:.0f}", ""),
            ("network alone", f"{network:.2f}", f"{count / network:.0f}", ""),
            ("describing", f"{together:.2f}", f"{count / together:.0f}", f"{together / bound:.3f}"),
        ],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--method", default="dinov2-vits14")
    parser.add_argument("--resize", default="112")
    parser.add_argument("--depth", type=int, default=12, help="blocks of the ViT")
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    main(given.count, given.method, given.resize, given.depth, given.device)
