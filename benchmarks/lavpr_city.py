"""What sentences bring on drawn cities: photos, texts, both; clear, at night and blurred; three seeds, other streets.

hog describes photos, the real MiniLM reads the city's descriptions, and a head (ADS) learns weights on another city.
Descriptions of queries are drawn by the same program as those of the database, under the query's own light, so texts
are more reliable here than what people or models would write.
"""

import argparse
import functools
import time
from pathlib import Path

from common import rows_of_seeds, table
from PIL import Image, ImageFilter
from train_small import interval

import vprkit
from vprkit.data.benchmark import Benchmark
from vprkit.data.city import make_city
from vprkit.evaluation.comparison import compare
from vprkit.evaluation.result import Result

IMAGE = {"image": "hog", "text": "minilm"}
TRAINING = {
    "model.image": "hog", "model.text": "minilm", "model.pooling": "none", "image_size": (224, 224),
    "sampling.places": 40, "sampling.images": 8, "min_images": 8, "optimiser.kind": "adam", "optimiser.rate": 1e-3,
    "optimiser.weight_decay": 0.0, "schedule.warmup_steps": 0, "running.log_every": 10,
}  # fmt: skip
MODES = {"image": "image", "text": "text", "concat": "concat", "each 0.9": "each", "ADS": "fused"}
BLUR = 6
"""Pixels, of photos of 224."""
Row = dict[str, float]


def blurred(city: Path) -> Benchmark:
    """The city with its queries blurred, in place."""
    for path in sorted((city / "images" / "test" / "queries").glob("*.jpg")):
        with Image.open(path) as photo:
            soft = photo.filter(ImageFilter.GaussianBlur(BLUR))
        soft.save(path, quality=92)
    return vprkit.open_benchmark(city)


def one_seed(given: argparse.Namespace, seed: int, scratch: Path) -> tuple[Row, str]:
    """R@1 of every mode, and paired comparisons of what sentences add."""
    make_city(scratch / "train", given.places, 8, 1000 + seed, layouts=("gsv",), workers=1)
    start = time.perf_counter()
    options = {**TRAINING, "seed": seed, "epochs": given.epochs, "feature_cache": str(scratch / "features")}
    head = vprkit.train("lavpr-fusion", {"train": scratch / "train"}, out=scratch / "head", options=options).weights
    row: Row = {"training, s": time.perf_counter() - start}
    lines: list[str] = []
    for name in ("clear", "blurred"):
        make_city(scratch / name, given.test_places, 12, 11 + seed, workers=1)
        benchmark = vprkit.open_benchmark(scratch / name) if name == "clear" else blurred(scratch / name)
        results: dict[str, Result] = {}
        for label, mode in MODES.items():
            method = vprkit.load_method("lavpr-fusion", head if mode == "fused" else None, mode=mode, **IMAGE)
            results[label] = vprkit.evaluate(method, benchmark, features=scratch / f"kept-{name}-{mode == 'fused'}")
            for condition in ("day", "night"):
                row[f"{label}, {name}, {condition}"] = results[label].conditions[condition]["R@1"]
            row[f"{label}, {name}"] = results[label].recalls[1]
        lines += [
            f"{name}, {label} against image: {compare(results['image'], results[label]).table()}"
            for label in ("concat", "ADS")
        ]
    return row, "\n".join(lines)


def main(given: argparse.Namespace) -> None:
    found = rows_of_seeds(given.seeds, given.rows, functools.partial(one_seed, given))
    table(
        f"R@1 in per cent, {len(found)} seeds, mean and 95 % interval; {given.test_places} places of unseen cities",
        ("", "mean ± half the interval"),
        [(name, interval([row[name] for row in found])) for name in found[0]],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--places", type=int, default=150, help="of 8 images, for the head")
    parser.add_argument("--test-places", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rows", type=Path, help="existing file that keeps every seed's row, to go on later")
    main(parser.parse_args())
