"""What texts learn to find in a drawn city: recipe `lavpr-crossmodal` from initial values, three seeds, unseen places.

Small BLIP towers (a vision transformer and a BERT with the real vocabulary) learn from the photos by day of one city
and their descriptions. Then descriptions ask for places of another city, in two ways: the database holds one photo of
each place and the descriptions are these photos' own; or it holds all photos by day, which look in different
directions, and the descriptions are those of other photos, taken later at any time of the day. R@1 is the share of
texts whose first answer is of their place; by chance it is one in as many as there are places.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from common import table
from torch import nn
from train_small import interval

import vprkit
from vprkit.data.benchmark import Benchmark
from vprkit.data.city import make_city
from vprkit.data.places import PlaceSet, open_places
from vprkit.data.positives import Positives
from vprkit.loading import save_method

SIDE = 64
TOWERS = {
    "model.width": 128, "model.layers": 2, "model.heads": 4, "model.hidden": 256, "model.image_size": SIDE,
    "model.patch": 8, "model.text_width": 96, "model.text_layers": 1, "model.text_heads": 4, "model.text_hidden": 192,
    "model.positions": 56, "model.dim": 128,
}  # fmt: skip
SHARED = {
    **TOWERS, "image_size": (SIDE, SIDE), "train": "all", "sampling.within_groups": False,
    "sampling.places": 64, "sampling.images": 1,  # photos of a place look in different directions
    "augmentation.rand_augment": 0, "keep_gb": 1.0, "optimiser.kind": "adamw", "optimiser.rate": 2e-3,
    "optimiser.weight_decay": 0.1, "schedule.kind": "cosine", "schedule.warmup_steps": 50, "running.clip": 1.0,
    "running.device": "cpu", "running.workers": 1, "running.log_every": 20, "running.checkpoint_every": 0,
    "validation.every": 0,
}  # fmt: skip
LOSSES = {
    "contrastive": {"loss": "contrastive"},
    "multi_similarity": {"loss": "multi_similarity", "similarity.both": True},
}

VIEWS = 6
"""Photos of a place that is asked for: half of them by day, the others at any time."""

Row = dict[str, float]


def write_start(path: Path, seed: int) -> Path:
    """Initial values for small widths: BERT's and ViT's usual deviation of 0.02 is meant for layers of 768."""
    sizes = {name.removeprefix("model."): value for name, value in TOWERS.items()}
    method = vprkit.load_method("lavpr-crossmodal", f"random:{seed}", device="cpu", resize=SIDE, **sizes)
    torch.manual_seed(seed)
    for name, weight in method.network.named_parameters():
        if "position_embedding" in name:
            nn.init.normal_(weight, std=0.5 if "vision" in name else 0.05)
        elif "word_embeddings" in name:
            nn.init.normal_(weight, std=0.5)
        elif weight.dim() > 1:
            nn.init.normal_(weight, std=weight[0].numel() ** -0.5)
    return save_method(method, path)


def by_day(folder: Path, views: int) -> PlaceSet:
    """The first half of every place's photos, which show it by day."""
    places = open_places(folder, texts=folder / "descriptions.csv", min_images=views)
    return places.take(np.flatnonzero(_ranks(places.labels) < views // 2))


def _ranks(labels: np.ndarray) -> np.ndarray:
    """(N,) how many rows before each have the same label."""
    order = np.argsort(labels, kind="stable")
    _, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    ranks = np.empty(len(labels), np.int64)
    ranks[order] = np.arange(len(labels)) - np.repeat(starts, counts)
    return ranks


def unseen(places: PlaceSet, views: int) -> dict[str, Benchmark]:
    """Both ways to ask for places of which there are so many photos each."""
    labels, ranks = np.unique(places.labels, return_inverse=True)[1], _ranks(places.labels)
    first, shown, later = (np.flatnonzero(chosen) for chosen in (ranks == 0, ranks < views // 2, ranks >= views // 2))
    return {
        "texts of the photos": _asked(places, first, first, labels),
        "texts of later photos": _asked(places, shown, later, labels),
    }


def _asked(places: PlaceSet, database: np.ndarray, asking: np.ndarray, labels: np.ndarray) -> Benchmark:
    right = Positives.of([np.flatnonzero(labels[database] == labels[row]).tolist() for row in asking])
    return Benchmark(places.name, places.records.take(database), places.records.take(asking), right, "the same place")


def draw(folder: Path, given: argparse.Namespace) -> tuple[PlaceSet, dict[str, Benchmark]]:
    """What is learnt from, and what is asked for; cities that are in the folder already are not drawn again."""
    for name, places, views, seed in (("big", given.places, given.views, 0), ("unseen", given.unseen, VIEWS, 9100)):
        if not (folder / name / "descriptions.csv").is_file():
            make_city(folder / name, places, views, seed, size=112, layouts=("gsv",), workers=1)
    city = folder / "unseen"
    tests = unseen(open_places(city, texts=city / "descriptions.csv", min_images=VIEWS), VIEWS)
    return by_day(folder / "big", given.views), tests


def one_seed(seed: int, given: argparse.Namespace, places: PlaceSet, tests: dict[str, Benchmark], scratch: Path) -> Row:
    begun = write_start(scratch / "start.safetensors", seed)
    row: Row = {"photos learnt from": len(places)}
    for name, test in tests.items():
        before = vprkit.evaluate(vprkit.load_method(weights=begun, device="cpu"), test)
        row |= {
            f"{name}: how many": len(test.queries),
            f"{name}: R@1 by chance": 100 * test.positives.counts.mean() / len(test.database),
            f"{name}: R@1 before training": before.recalls[1],
        }
    for loss in given.losses:
        start = time.perf_counter()
        options = {**SHARED, **LOSSES[loss], "seed": seed, "epochs": given.epochs, "initial": str(begun)}
        run = vprkit.train("lavpr-crossmodal", {"train": places}, out=scratch / loss, options=options)
        row[f"{loss}, seconds"] = time.perf_counter() - start
        method = vprkit.load_method(weights=run.weights, device="cpu")
        for name, test in tests.items():
            recalls = vprkit.evaluate(method, test).recalls
            row |= {f"{loss}, {name}: R@{k}": recall for k, recall in recalls.items()}
    return row


def keep(seed: int, row: Row, file: Path | None) -> None:
    """Say a seed's row, and write it down where that is asked for."""
    print(f"seed {seed}: " + ", ".join(f"{name} {value:.1f}" for name, value in row.items()), flush=True)
    if file:
        with file.open("a") as opened:
            opened.write(json.dumps({"seed": seed, **row}) + "\n")


def main(given: argparse.Namespace) -> None:
    """Seeds whose row the file holds already are not run again."""
    torch.set_num_threads(1)
    if given.rows:
        given.rows.touch()
    rows = {row["seed"]: row for row in map(json.loads, given.rows.read_text().splitlines())} if given.rows else {}
    with tempfile.TemporaryDirectory() as drawn:
        places, tests = draw(given.cities or Path(drawn), given)
        for seed in (seed for seed in given.seeds if seed not in rows):
            with tempfile.TemporaryDirectory() as scratch:
                rows[seed] = one_seed(seed, given, places, tests, Path(scratch))
            keep(seed, rows[seed], given.rows)
    found = [rows[seed] for seed in given.seeds]
    table(
        f"Texts that ask for places never seen, {len(found)} seeds, mean and 95 % interval; R@K in per cent",
        ("", "mean ± half the interval"),
        [(name, interval([row[name] for row in found])) for name in found[0] if name != "seed"],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--places", type=int, default=2400, help="to train on")
    parser.add_argument("--views", type=int, default=8, help="photos of each")
    parser.add_argument("--unseen", type=int, default=200, help="places that are asked for")
    parser.add_argument("--epochs", type=int, default=54, help="times that every place is shown")
    parser.add_argument("--losses", nargs="+", default=["contrastive", "multi_similarity"], choices=list(LOSSES))
    parser.add_argument("--cities", type=Path, help="folder that keeps the drawn cities")
    parser.add_argument("--rows", type=Path, help="file that keeps every seed's row, to go on later")
    main(parser.parse_args())
