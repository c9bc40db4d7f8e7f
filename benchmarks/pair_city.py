"""What Pair-VPR's two stages bring a tiny network on drawn cities, by night, on streets it never saw.

The second stage is trained from the same initial values with and without the first. Both are measured with the global
vectors alone and after re-ranking. One process per seed; `--rows` keeps seeds that are done.
"""

import argparse
import functools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import rows_of_seeds, table
from train_small import interval

import vprkit
from vprkit.data.city import make_city
from vprkit.evaluation.comparison import compare
from vprkit.evaluation.result import Result
from vprkit.evaluation.two_stage import Second
from vprkit.registry import find_recipe, load_attribute
from vprkit.training.train import resolve_settings

SIDE = 56
SIZES = {
    "size": "S", "registers": 0, "depth": 2, "table_size": SIDE, "image_size": SIDE, "trainable_blocks": None,
    "decoder_width": 128, "decoder_heads": 4, "decoder_depth": 2, "pair_hidden": 128, "descriptor": 128,
}  # fmt: skip
NETWORK = {**{f"model.{key}": value for key, value in SIZES.items()}, "foundation": "random", "running.log_every": 20}
PRETRAIN = {
    **NETWORK,
    "batch": 32,
    "mask_ratio": 0.75,
    "layer_decay": 1.0,
    "optimiser.rate": 3e-4,
    "running.keep_every": 0,
    "schedule.warmup_epochs": 4,
}
TRAIN = {
    **NETWORK, "image_size": (SIDE, SIDE), "sampling.places": 8, "sampling.reshuffle": True, "sampling.drop_last": True,
    "keep_gb": 1.0, "optimiser.rate": 2e-4, "schedule.kind": "constant", "schedule.warmup_steps": 20,
    "augmentation.rand_augment": 0, "augmentation.brightness": 0.5, "augmentation.contrast": 0.3,
    "running.keep_every": 0, "pair_weight": 0.1,  # at 2 the descriptors of a network this small learn nothing in time
}  # fmt: skip
Row = dict[str, float]


@torch.no_grad()
def reconstruction(places: Path, initial: str | None, seed: int) -> float:
    """The first stage's loss on places that nothing was trained on: ten epochs of pairs, the same ones every time."""
    declared = find_recipe("pairvpr-pretrain")
    options = {**PRETRAIN, "initial": initial, "seed": seed, "augmentation.brightness": 0.0,
               "augmentation.contrast": 0.0, "augmentation.saturation": 0.0}  # fmt: skip
    task = load_attribute(declared.task)(resolve_settings(declared, None, options), {"unseen": places})
    losses = []
    for epoch in range(10):
        for number, rows in enumerate(task.batches(epoch)):
            images = [
                task.read(int(row), np.random.default_rng((epoch, number, n))) for n, row in enumerate(rows.ravel())
            ]
            torch.manual_seed(epoch)
            losses.append(float(task(task.collate(rows, images))["loss"]))
    return float(np.mean(losses))


def measured(name: str, result: Result) -> Row:
    """R@1 in per cent of both stages with the second one's interval over queries."""
    low, high = result.intervals[1]
    return {
        f"{name}, global": result.first_stage[1],
        f"{name}, re-ranked": result.recalls[1],
        f"{name}, re-ranked, low": low,
        f"{name}, re-ranked, high": high,
    }


def trained(recipe: str, data: Path, out: Path, options: Mapping[str, Any]) -> tuple[Path, float]:
    """The last weights of a run, and the seconds it took."""
    start = time.perf_counter()
    run = vprkit.train(recipe, {"train": data}, out=out, options=options)
    return run.folder / "last.safetensors", time.perf_counter() - start


def one_seed(given: argparse.Namespace, seed: int, scratch: Path) -> tuple[Row, str]:
    """Losses and recalls of one seed's networks, and paired comparisons."""
    make_city(scratch / "places", given.places, 8, 1000 + seed, layouts=("gsv",), workers=1)
    make_city(scratch / "unseen", 64, 4, 2000 + seed, layouts=("gsv",), workers=1)
    make_city(scratch / "test", given.test_places, 12, 11 + seed, conditions=("night",), workers=1)
    benchmark, row, lines = vprkit.open_benchmark(scratch / "test"), {}, []
    row["loss before"] = reconstruction(scratch / "unseen", None, seed)
    options: dict[str, Any] = {**PRETRAIN, "seed": seed, "epochs": given.pretrain_epochs}
    first, row["first stage, seconds"] = trained("pairvpr-pretrain", scratch / "places", scratch / "first", options)
    row["loss after"] = reconstruction(scratch / "unseen", str(first), seed)
    results: dict[str, Result] = {}
    for name, epochs, initial in (
        ("untrained", 0, None),
        ("alone", given.epochs, None),
        ("both", given.epochs, str(first)),
    ):
        options = {**TRAIN, "seed": seed, "epochs": epochs, "initial": initial}
        weights, seconds = trained("pairvpr", scratch / "places", scratch / name, options)
        method = vprkit.load_method(weights=weights)
        # In RAM: a shortlist of every image would read the store anew for each query.
        results[name] = vprkit.evaluate(method, benchmark, rerank=Second(given.rerank, "ram", "float32"))
        row |= {**measured(name, results[name]), f"{name}, seconds": seconds}
    told = compare(results["alone"], results["both"])
    lines.append(f"both stages against the second alone, re-ranked: {told.table()}")
    return row, "\n".join(lines)


def main(given: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    found = rows_of_seeds(given.seeds, given.rows, functools.partial(one_seed, given))
    table(
        f"R@1 in per cent of night queries, {len(found)} seeds, mean and 95 % interval; ViT-S of {SIZES['depth']} "
        f"blocks at {SIDE} px, {given.rerank} candidates",
        ("", *(f"seed {seed}" for seed in given.seeds), "mean ± half the interval"),
        [(name, *(f"{row[name]:.2f}" for row in found), interval([row[name] for row in found])) for name in found[0]],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--places", type=int, default=240, help="of 8 images, to learn from")
    parser.add_argument("--test-places", type=int, default=40)
    parser.add_argument("--pretrain-epochs", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=12, help="of the second stage")
    parser.add_argument("--rerank", type=int, default=20, help="candidates")
    parser.add_argument("--rows", type=Path, help="file that keeps every seed's row, to go on later")
    main(parser.parse_args())
