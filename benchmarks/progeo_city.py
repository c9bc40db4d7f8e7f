"""What ProGEO's prompts bring on drawn cities in SF-XL's layout: three seeds, with against without, unseen streets.

A CLIP of few weights first learns images and sentences of another city, since the prompts of a random one would say
nothing. Then every seed cuts its city's panoramas into crops, learns prompts, and trains the image encoder with
classifiers alone and with texts beside them, from the same weights, batches and number of steps. Queries are of places
that no training image shows; training images are all by day.
"""

import argparse
import functools
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from common import rows_of_seeds, table
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from train_small import interval

import vprkit
from vprkit.backbones.clip_resnet import ClipResNet
from vprkit.backbones.clip_text import CONTEXT, END, VOCABULARY, ClipText, encode_ids
from vprkit.data.benchmark import Benchmark
from vprkit.data.city import make_city
from vprkit.data.groups import PANORAMA
from vprkit.data.panoramas import cut
from vprkit.evaluation.comparison import compare
from vprkit.methods.progeo.clip_files import PooledResNet
from vprkit.methods.progeo.prompts import SENTENCE

SIDE, LAYERS, WIDTH, DIM, TEXT_WIDTH = 96, (1, 1, 1, 1), 16, 128, 64
TILES = 12
"""Crops of a panorama, as many as SF-XL has."""

WORDS = dict(zip(["a", "photo", "of", "street", "."], (320, 1125, 539, 2012, 269), strict=True))
"""Ids of CLIP that ProGEO's sentence uses; other words get one by their hash."""

SHARED = {
    "model.layers": LAYERS, "model.width": WIDTH, "model.dim": DIM, "groups": 4, "grouping.metres": 30,
    "grouping.cells": 2, "grouping.min_images": 4, "running.log_every": 20, "running.device": "cpu",
}  # fmt: skip
ONE = {"epochs": 80, "batch": 256}
TWO = {
    "image_size": (SIDE, SIDE), "loaded_size": (SIDE, SIDE), "test_resize": str(SIDE), "batch": 32, "iterations": 60,
    "optimiser.rate": 5e-4, "freezing.everything_learns": True, "validation.every": 0,
}  # fmt: skip
Row = dict[str, float]


def token_ids(texts: Sequence[str]) -> Tensor:
    """(N, 77) ids: a word one id, then the end, then zeros."""
    ids = torch.zeros(len(texts), CONTEXT, dtype=torch.long)
    for row, text in enumerate(texts):
        words = text.lower().replace(".", " .").replace(",", " ,").split()[: CONTEXT - 2]
        found = [WORDS.get(word, 3000 + zlib.crc32(word.encode()) % 40000) for word in words]
        ids[row, : len(found) + 2] = torch.tensor([SENTENCE[0], *found, END])
    return ids


def write_clip(path: Path, city: Benchmark, epochs: int, seed: int) -> list[float]:
    """Learn a CLIP from a city's photos and descriptions; returns the mean loss of every epoch."""
    torch.manual_seed(seed)
    image = PooledResNet(ClipResNet(LAYERS, WIDTH))
    image.backbone.add_attention_pool(SIDE // 32, DIM)
    text, words = ClipText(TEXT_WIDTH, 2, 1, DIM), nn.Embedding(VOCABULARY, TEXT_WIDTH)
    nn.init.normal_(words.weight, std=0.02)
    scale = nn.Parameter(torch.tensor(2.7))
    sides = (city.database, city.queries)
    photos = torch.stack([_photo(side.path(row)) for side in sides for row in range(len(side))])
    ids = token_ids([f"A photo of a street. {said}" for side in sides for said in side.texts["text"]])
    parts = [*image.parameters(), *text.parameters(), *words.parameters(), scale]
    optimiser, losses = torch.optim.AdamW(parts, 1e-3, weight_decay=0.01), []
    for epoch in range(epochs):
        mean = 0.0
        optimiser.param_groups[0]["lr"] = 1e-3 * (1 - epoch / epochs)
        order = torch.randperm(len(photos)).split(64)
        for rows in order:
            vectors = F.normalize(image((photos[rows].float() / 255 - 0.45) / 0.225), dim=1)
            texts = F.normalize(encode_ids(text, words, ids[rows]), dim=1)
            logits, own = scale.exp() * vectors @ texts.T, torch.arange(len(rows))
            loss = (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            mean += float(loss.detach()) / len(order)
        losses.append(mean)
    state = {f"visual.{name}": value for name, value in image.backbone.state_dict().items()}
    state |= {**text.state_dict(), "token_embedding.weight": words.weight, "logit_scale": scale}
    save_file({name: value.detach().clone() for name, value in state.items()}, path)
    return losses


def _photo(path: object) -> Tensor:
    with Image.open(str(path)) as photo:
        small = photo.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1)


def cut_panoramas(city: Path) -> None:
    """Write SF-XL's `processed/train` from its panoramas: crops whose names give the direction of their left column."""
    out = city / "processed" / "train"
    out.mkdir(parents=True)
    for path in sorted((city / "raw" / "train" / "panoramas").glob("*.jpg")):
        with Image.open(path) as panorama:
            panorama.load()
            for tile in range(TILES):
                column, fields = tile * PANORAMA // TILES, path.name.split("@")
                fields[8] = f"{tile:02d}"
                fields[9] = f"{int(float(fields[9]) + 180 + 360 * tile / TILES) % 360:03d}"
                crop = cut(panorama, column).resize((2 * SIDE, 2 * SIDE), Image.Resampling.BILINEAR)
                crop.save(out / "@".join(fields), quality=92)


def one_seed(given: argparse.Namespace, seed: int, scratch: Path) -> tuple[Row, str]:
    """R@1 on unseen places before the second stage, after it without texts, and with them."""
    make_city(scratch / "words", given.word_places, 24, 5000 + seed, size=128, workers=1)
    make_city(scratch / "city", given.places, given.views, seed, layouts=("sfxl",), workers=1)
    cut_panoramas(scratch / "city")
    test = vprkit.open_benchmark(scratch / "city", split="test")
    row: Row = {}
    start = time.perf_counter()
    losses = write_clip(scratch / "clip.safetensors", vprkit.open_benchmark(scratch / "words"), given.clip_epochs, seed)
    row["CLIP, first loss"], row["CLIP, last loss"] = losses[0], losses[-1]
    row["CLIP, seconds"] = time.perf_counter() - start
    shared = {**SHARED, "clip": str(scratch / "clip.safetensors"), "seed": seed}
    data, results = {"train": scratch / "city"}, {}
    start = time.perf_counter()
    own = {**shared, **ONE, "feature_cache": str(scratch / "features")}
    prompts = vprkit.train("progeo-prompts", data, out=scratch / "prompts", options=own).folder
    row["stage one, seconds"] = time.perf_counter() - start
    runs = {"before": (0, None), "classifiers": (given.epochs, None), "with texts": (given.epochs, str(prompts))}
    for name, (epochs, texts) in runs.items():
        start = time.perf_counter()
        options = {**shared, **TWO, "epochs": epochs, "prompts": texts}
        vprkit.train("progeo", data, out=scratch / name, options=options)
        row[f"{name}, seconds"] = time.perf_counter() - start
        method = vprkit.load_method(weights=scratch / name / "last.safetensors")
        results[name] = vprkit.evaluate(method, test)
        row[name] = results[name].recalls[1]
        row |= {f"{name}, {kind}": found["R@1"] for kind, found in results[name].conditions.items()}
    return row, compare(results["classifiers"], results["with texts"]).table()


def main(given: argparse.Namespace) -> None:
    found = rows_of_seeds(given.seeds, given.rows, functools.partial(one_seed, given))
    table(
        f"R@1 in per cent, {len(found)} seeds, mean and 95 % interval; CLIP ResNet of {len(LAYERS)} blocks, {SIDE} px",
        ("", "mean ± half the interval"),
        [(name, interval([row[name] for row in found])) for name in found[0]],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--places", type=int, default=150, help="three fifths of them to train on")
    parser.add_argument("--views", type=int, default=32, help="of a place: a quarter as many panoramas")
    parser.add_argument("--word-places", type=int, default=100, help="of 24 photos, for CLIP")
    parser.add_argument("--clip-epochs", type=int, default=15)
    parser.add_argument("--epochs", type=int, default=16, help="of the second stage")
    parser.add_argument("--rows", type=Path, help="existing file that keeps every seed's row, to go on later")
    main(parser.parse_args())
