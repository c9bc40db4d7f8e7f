"""What sentences bring on drawn cities: photos, texts, both; clear, at night and blurred; three seeds, other streets.

hog describes photos, the real MiniLM reads the city's descriptions, and a head (ADS) learns weights on another city.
Descriptions of queries are drawn by the same program as those of the database, under the query's own light, so texts
are more reliable here than what people or models would write.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from common import table
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


def one_seed(seed: int, given: argparse.Namespace, scratch: Path) -> tuple[Row, list[str]]:
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
    return row, lines


def main(given: argparse.Namespace) -> None:
    """Seeds whose row the file holds already are not run again."""
    rows = {row["seed"]: row for row in map(json.loads, given.rows.read_text().splitlines())} if given.rows else {}
    for seed in (seed for seed in given.seeds if seed not in rows):
        with tempfile.TemporaryDirectory() as scratch:
            rows[seed], lines = one_seed(seed, given, Path(scratch))
        print(f"seed {seed}: " + ", ".join(f"{name} {value:.1f}" for name, value in rows[seed].items()), flush=True)
        print("\n".join(lines), flush=True)
        if given.rows:
            with given.rows.open("a") as file:
                file.write(json.dumps({"seed": seed, **rows[seed]}) + "\n")
    found = [rows[seed] for seed in given.seeds]
    table(
        f"R@1 in per cent, {len(found)} seeds, mean and 95 % interval; {given.test_places} places of unseen cities",
        ("", "mean ± half the interval"),
        [(name, interval([row[name] for row in found])) for name in found[0] if name != "seed"],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--places", type=int, default=150, help="of 8 images, for the head")
    parser.add_argument("--test-places", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rows", type=Path, help="existing file that keeps every seed's row, to go on later")
    main(parser.parse_args())
