"""What a small ViT learns on drawn cities: RerankVPR and its second stage, then SelaVPR's adapters on that trunk.

Adapters on a frozen random trunk would prove nothing, so the trunk learns first, whole. Thresholds of guided matching
are chosen on one city and used on another. Three seeds; every set of streets is another one.
"""

import argparse
import functools
import time
from pathlib import Path

import numpy as np
from common import rows_of_seeds, table
from train_small import interval

import vprkit
from vprkit.data.benchmark import Benchmark
from vprkit.data.city import make_city
from vprkit.evaluation.comparison import compare
from vprkit.evaluation.result import Result
from vprkit.evaluation.sweep import sweep
from vprkit.evaluation.two_stage import Second
from vprkit.method import Method

SIDE = 84
TRUNK = {"size": "S", "depth": 3, "table_size": SIDE}
POOLED = {"aggregator": "gem"}  # the class token of a small ViT that starts from nothing learns far slower
HEADS = {"local_mid_channels": 64, "local_channels": 32}
SHORTLIST = 20
SALIENCIES, SIMILARITIES = tuple(np.arange(0, 0.9, 0.1).round(2)), tuple(np.arange(0, 1, 0.1).round(2))
WHOLE = {
    **{f"model.{key}": value for key, value in {**TRUNK, **POOLED}.items()},
    "image_size": (SIDE, SIDE), "test_size": (SIDE, SIDE), "trunk.weights": "random", "trunk.train_last": None,
    "sampling.places": 16, "sampling.images": 8, "sampling.drop_last": True, "min_images": 8, "keep_gb": 1.0,
    "optimiser.rate": 2e-4, "optimiser.weight_decay": 0.05, "schedule.warmup_steps": 40, "memory.size": 0,
    "augmentation.rand_augment": 0, "augmentation.brightness": 0.5, "augmentation.contrast": 0.3,
    "validation.every": 0, "running.log_every": 20,
}  # fmt: skip
ADAPTERS = {
    **{f"model.{key}": value for key, value in {**TRUNK, **HEADS}.items()},
    "image_size": (SIDE, SIDE), "queries": 200, "batch": 8, "negatives": 4, "samples": 300, "optimiser.rate": 3e-4,
    "augmentation.brightness": 0.4, "augmentation.contrast": 0.3, "validation.every": 0, "running.log_every": 20,
}  # fmt: skip
Row = dict[str, float]


def city(folder: Path, places: int, seed: int) -> Benchmark:
    make_city(folder, places, 12, seed)
    return vprkit.open_benchmark(folder)


def measured(name: str, result: Result) -> Row:
    """R@1 in per cent of both stages, and what the second gains: paired over the queries, with its interval."""
    first = {f"{name}, global": result.first_stage[1]}
    return {
        **first,
        f"{name}, re-ranked": result.recalls[1],
        f"{name}, gain": result.recalls[1] - result.first_stage[1],
    }


def guided(name: str, method: Method, validation: Benchmark, test: Benchmark, lines: list[str]) -> Row:
    """RerankVPR's two stages on the test city, thresholds chosen on the validation city."""
    best = sweep(method, validation, Second(SHORTLIST), SALIENCIES, SIMILARITIES).best()
    plain = vprkit.evaluate(method, test)
    result = vprkit.evaluate(method, test, rerank=Second(SHORTLIST, reranker=best))
    told = compare(plain, result)
    lines.append(f"{name}: saliency {best.saliency:g}, similarity {best.similarity:g}; {told.table()}")
    return measured(name, result)


def one_seed(given: argparse.Namespace, seed: int, scratch: Path) -> tuple[Row, str]:
    """Recalls of one seed's networks, and sentences about the gains."""
    make_city(scratch / "places", given.places, 8, 1000 + seed, layouts=("gsv",))
    triplets = city(scratch / "triplets", given.triplet_places, 2000 + seed)
    validation, test = city(scratch / "val", 30, 3000 + seed), city(scratch / "test", given.test_places, 11 + seed)
    lines: list[str] = []
    untrained = vprkit.load_method("rerankvpr", f"random:{seed}", resize=f"{SIDE}x{SIDE}", **TRUNK, **POOLED)
    row = guided("rerankvpr untrained", untrained, validation, test, lines)
    start = time.perf_counter()
    options = {**WHOLE, "seed": seed, "epochs": given.epochs}
    whole = vprkit.train("rerankvpr", {"train": scratch / "places"}, out=scratch / "whole", options=options)
    row["rerankvpr, seconds"] = time.perf_counter() - start
    row |= guided("rerankvpr trained", vprkit.load_method(weights=whole.weights), validation, test, lines)
    for rounds in (0, given.rounds):
        start = time.perf_counter()
        options = {**ADAPTERS, "seed": seed, "epochs": rounds, "foundation": str(whole.weights)}
        out = scratch / f"adapters-{rounds}"
        vprkit.train("selavpr", {"train": triplets}, out=out, options=options)
        method = vprkit.load_method(weights=out / "last.safetensors")
        result = vprkit.evaluate(method, test, rerank=SHORTLIST)
        name = "selavpr trained" if rounds else "selavpr before"
        row |= measured(name, result)
    row["selavpr, seconds"] = time.perf_counter() - start
    return row, "\n".join(lines)


def main(given: argparse.Namespace) -> None:
    found = rows_of_seeds(given.seeds, given.rows, functools.partial(one_seed, given))
    table(
        f"R@1 in per cent, {len(found)} seeds, mean and 95 % interval; ViT-S of {TRUNK['depth']} blocks at {SIDE} px",
        ("", "mean ± half the interval"),
        [(name, interval([row[name] for row in found])) for name in found[0]],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--places", type=int, default=200, help="of 8 images, for the trunk")
    parser.add_argument("--triplet-places", type=int, default=80, help="of 12 images, for the adapters")
    parser.add_argument("--test-places", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=10, help="of the trunk")
    parser.add_argument("--rounds", type=int, default=4, help="of the adapters")
    parser.add_argument("--rows", type=Path, help="existing file that keeps every seed's row, to go on later")
    main(parser.parse_args())
