"""What `compact` learns in minutes: three seeds of the drawn city, on unseen streets and on real photos."""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

import numpy as np
from common import table
from scipy import stats

import vprkit
from vprkit.data.benchmark import Benchmark
from vprkit.data.city import make_city
from vprkit.data.decoding import Photo
from vprkit.data.places import CustomPlaces
from vprkit.method import Method

SETS = Path(__file__).parents[2] / "shared" / "datasets"
REAL = ("gardens-thumbs-a", "corridor-a")
PAIRS = "sped-thumbs-a"
BATCHES_OF_PAIRS = {"min_images": 2, "sampling.images": 2, "sampling.places": 64}
Scores = dict[str, float]


class Pairs(CustomPlaces):
    """A benchmark as a training set: every query is a place of two images, itself and its first positive."""

    def __init__(self, benchmark: Benchmark, partners: Sequence[int]) -> None:
        super().__init__(benchmark.name, np.repeat(np.arange(len(partners)), 2))
        self.benchmark = benchmark
        self.partners = partners

    def photo(self, row: int) -> Photo:
        place, second = divmod(row, 2)
        records = self.benchmark.database if second else self.benchmark.queries
        return records.path(self.partners[place] if second else place)


def recalls(method: Method, benchmarks: Mapping[str, Benchmark]) -> Scores:
    """R@1 in per cent: of every condition of the city, and of every other set."""
    found: Scores = {}
    for name, benchmark in benchmarks.items():
        result = vprkit.evaluate(method, benchmark)
        found[name] = result.recalls[1]
        found |= {condition: row["R@1"] for condition, row in result.conditions.items() if name == "city"}
    return found


def trained(data: object, out: Path, seed: int, options: Mapping[str, object]) -> tuple[Method, float]:
    """The recipe's network, and the seconds it took."""
    start = time.perf_counter()
    run = vprkit.train("compact", {"train": data}, out=out, options={"seed": seed, **options})
    return vprkit.load_method(weights=run.weights), time.perf_counter() - start


def one_seed(seed: int, given: argparse.Namespace, scratch: Path, real: Mapping[str, Benchmark]) -> dict[str, Scores]:
    """R@1 of every method with this seed's cities: one to learn from, another to be measured on."""
    start = time.perf_counter()
    make_city(scratch / "train", given.places, 8, 1000 + seed, layouts=("gsv",))
    drawing = time.perf_counter() - start
    make_city(scratch / "other", given.test_places, 12, 11 + seed)
    benchmarks = {"city": vprkit.open_benchmark(scratch / "other"), **real}
    options = {"epochs": given.epochs}
    network, seconds = trained(scratch / "train", scratch / "run", seed, options)
    methods = {
        "untrained": vprkit.load_method("compact", f"random:{seed}"),
        "hog": vprkit.load_method("hog"),
        "trained": network,
    }
    found = {name: recalls(method, benchmarks) for name, method in methods.items()}
    found["trained"] |= {"drawing, s": drawing, "training, s": seconds}
    return found


def one_seed_of_pairs(seed: int, given: argparse.Namespace, real: Mapping[str, Benchmark]) -> dict[str, Scores]:
    """R@1 on the real sets after learning from real pairs of photos instead of the city."""
    pairs = vprkit.open_benchmark(given.sets / PAIRS)
    partners = [int(row[0]) for row in pairs.positives or ()]
    with tempfile.TemporaryDirectory() as scratch:
        network, seconds = trained(Pairs(pairs, partners), Path(scratch) / "run", seed, BATCHES_OF_PAIRS)
    return {"on pairs": {**recalls(network, real), "training, s": seconds}}


def interval(values: Sequence[float]) -> str:
    """Mean and half the width of the 95 % interval (Student's t)."""
    half = stats.t.ppf(0.975, len(values) - 1) * stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{mean(values):.1f} ± {half:.1f}"


def rows_of(runs: Sequence[dict[str, Scores]], cell: Callable[[Sequence[float]], str]) -> Iterable[list[str]]:
    methods = list(runs[0])
    lines = dict.fromkeys(key for method in methods for key in runs[0][method])
    for line in lines:
        columns = [[run[method][line] for run in runs if line in run[method]] for method in methods]
        yield [line, *(cell(values) if values else "" for values in columns)]


def main(given: argparse.Namespace) -> None:
    real = {name: vprkit.open_benchmark(given.sets / name) for name in REAL if (given.sets / name).is_dir()}
    runs = []
    for seed in given.seeds:
        with tempfile.TemporaryDirectory() as scratch:
            runs.append(one_seed(seed, given, Path(scratch), real))
        night = {method: f"{scores['night']:.1f}" for method, scores in runs[-1].items()}
        print(f"seed {seed}: R@1 at night {night}, {runs[-1]['trained']['training, s']:.0f} s", flush=True)
    table(
        f"R@1 in per cent, {len(runs)} seeds, mean and 95 % interval; trained on {given.places} places x 8, "
        f"measured on {given.test_places} places of another city",
        ("queries", *runs[0]),
        list(rows_of(runs, interval)),
    )
    if real and (given.sets / PAIRS).is_dir():
        runs = [one_seed_of_pairs(seed, given, real) for seed in given.seeds]
        table(f"The same trained on the pairs of {PAIRS}", ("queries", *runs[0]), list(rows_of(runs, interval)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--places", type=int, default=800)
    parser.add_argument("--test-places", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--sets", type=Path, default=SETS, help="folder of the real sets; left out where it is missing")
    main(parser.parse_args())
