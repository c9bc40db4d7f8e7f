"""What texts learn to find in drawn cities: recipe `lavpr-crossmodal` from initial values, three seeds, unseen places.

Small BLIP towers (a vision transformer and a BERT with the real vocabulary) learn from the photos and descriptions of
one city. Then the descriptions of photos of another city ask for its places: each place is one photo by day in the
database, its queries are the descriptions of its other photos, at other times and in other weather. R@1 is the share of
these texts whose place comes first; by chance it is 1 in as many as there are places.
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
from vprkit.data.places import open_places
from vprkit.data.positives import Positives
from vprkit.loading import save_method

SIDE = 96
TOWERS = {
    "model.width": 128, "model.layers": 2, "model.heads": 4, "model.hidden": 256, "model.image_size": SIDE,
    "model.patch": 24, "model.text_width": 96, "model.text_layers": 1, "model.text_heads": 4, "model.text_hidden": 192,
    "model.positions": 56, "model.dim": 128,
}  # fmt: skip
SHARED = {
    **TOWERS, "image_size": (SIDE, SIDE), "train": "all", "sampling.within_groups": False,
    "augmentation.rand_augment": 0, "keep_gb": 1.0, "optimiser.kind": "adamw", "optimiser.rate": 1e-3,
    "optimiser.weight_decay": 0.05, "schedule.kind": "cosine", "schedule.warmup_steps": 100, "running.clip": 1.0,
    "running.device": "cpu", "running.workers": 1, "running.log_every": 20, "running.checkpoint_every": 0,
    "validation.every": 0,
}  # fmt: skip
LOSSES = {
    "contrastive": {"loss": "contrastive", "sampling.places": 96, "sampling.images": 1},
    "multi_similarity": {"loss": "multi_similarity", "sampling.places": 24, "sampling.images": 4},
}
"""Batches of 96 photos each; an epoch shows every place once, as one photo or as four."""

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


def unseen(folder: Path) -> Benchmark:
    """The first photo of every place, by day, as the database; all other photos' descriptions as queries."""
    places = open_places(folder, texts=folder / "descriptions.csv", min_images=2)
    _, first, label = np.unique(places.labels, return_index=True, return_inverse=True)
    asking = np.setdiff1d(np.arange(len(places)), first)
    right = Positives.of([[int(label[row])] for row in asking])
    return Benchmark(folder.name, places.records.take(first), places.records.take(asking), right, "the same place")


def one_seed(seed: int, given: argparse.Namespace, scratch: Path) -> Row:
    start = time.perf_counter()
    make_city(scratch / "city", given.places, given.views, seed, size=SIDE, layouts=("gsv",), workers=1)
    make_city(scratch / "unseen", given.unseen, 6, 9000 + seed, size=SIDE, layouts=("gsv",), workers=1)
    test, begun = unseen(scratch / "unseen"), write_start(scratch / "start.safetensors", seed)
    row: Row = {
        "training photos": given.places * given.views, "places asked for": len(test.database),
        "texts that ask": len(test.queries), "chance": 100 / len(test.database),
        "drawing, seconds": time.perf_counter() - start,
    }  # fmt: skip
    for loss in given.losses:
        start = time.perf_counter()
        epochs = given.epochs // LOSSES[loss]["sampling.images"]
        options = {**SHARED, **LOSSES[loss], "seed": seed, "epochs": epochs, "initial": str(begun)}
        run = vprkit.train("lavpr-crossmodal", {"train": scratch / "city"}, out=scratch / loss, options=options)
        row[f"{loss}, training seconds"] = time.perf_counter() - start
        result = vprkit.evaluate(vprkit.load_method(weights=run.weights, device="cpu"), test)
        row |= {f"{loss}, R@{k}": recall for k, recall in result.recalls.items()}
        print(f"seed {seed}, {loss}: {result.recalls}", flush=True)
    return row


def main(given: argparse.Namespace) -> None:
    """Seeds whose row the file holds already are not run again."""
    torch.set_num_threads(1)
    if given.rows:
        given.rows.touch()
    rows = {row["seed"]: row for row in map(json.loads, given.rows.read_text().splitlines())} if given.rows else {}
    for seed in (seed for seed in given.seeds if seed not in rows):
        with tempfile.TemporaryDirectory() as scratch:
            rows[seed] = one_seed(seed, given, Path(scratch))
        print(f"seed {seed}: " + ", ".join(f"{name} {value:.1f}" for name, value in rows[seed].items()), flush=True)
        if given.rows:
            with given.rows.open("a") as file:
                file.write(json.dumps({"seed": seed, **rows[seed]}) + "\n")
    found = [rows[seed] for seed in given.seeds]
    table(
        f"Texts that ask for places never seen, {len(found)} seeds, mean and 95 % interval; R@K in per cent",
        ("", "mean ± half the interval"),
        [(name, interval([row[name] for row in found])) for name in found[0] if name != "seed"],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--places", type=int, default=800, help="to train on")
    parser.add_argument("--views", type=int, default=8, help="photos of each")
    parser.add_argument("--unseen", type=int, default=200, help="places that are asked for")
    parser.add_argument("--epochs", type=int, default=100, help="times that every place is shown")
    parser.add_argument("--losses", nargs="+", default=["contrastive", "multi_similarity"], choices=list(LOSSES))
    parser.add_argument("--rows", type=Path, help="file that keeps every seed's row, to go on later")
    main(parser.parse_args())
