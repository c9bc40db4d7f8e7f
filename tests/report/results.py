"""Small results made by hand."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vprkit.evaluation.result import Curve, DatabaseImage, Position, QueryResult, Result

SCORES = [0.9, 0.8, 0.75]


def draw_photos(root: Path, names: list[str], size: tuple[int, int] = (48, 36)) -> None:
    """Coloured noise under these names."""
    generator = np.random.default_rng(0)
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 255, (size[1], size[0], 3), np.uint8)).save(path)


def at(east: float, north: float = 4_180_000.0, zone: int = 10, south: bool = False) -> Position:
    return Position(550_000.0 + east, north, zone, south)


def result(root: Path, **changes: Any) -> Result:
    """Four queries, three database images: right, wrong, wrong without a positive, right at rank 2."""
    images = {number: DatabaseImage(f"database/{number}.jpg", at(100.0 * number)) for number in range(3)}
    rankings = [
        QueryResult("queries/a.jpg", [0, 1, 2], SCORES, [True, False, False], 1, 1, 0, 3.0, "day", at(3.0)),
        QueryResult(
            "queries/b.jpg", [2, 0, 1], [0.95, 0.5, 0.4], [False, False, True], 3, 2, 1, 107.0, "night", at(93.0)
        ),
        QueryResult(
            "queries/c.jpg", [1, 2, 0], [0.6, 0.5, 0.4], [False] * 3, None, 0, None, 4321.0, "night", at(4421.0)
        ),
        QueryResult("queries/d.jpg", [1, 2, 0], [0.7, 0.5, 0.4], [False, True, False], 2, 1, 2, 98.0, "day", at(198.0)),
    ]
    plain = Result(
        benchmark="town",
        rule="within 25 m",
        method="hog",
        recalls={1: 25.0, 2: 50.0, 3: 75.0},
        recalls_answerable={1: 33.3, 2: 66.7, 3: 100.0},
        intervals={1: (0.0, 75.0), 2: (0.0, 100.0), 3: (25.0, 100.0)},
        queries=4,
        database=3,
        queries_without_positives=1,
        mean_average_precision=61.1,
        curve=Curve([0.95, 0.9, 0.7, 0.6], [0.0, 0.5, 0.333, 0.25], [0.0, 0.333, 0.333, 0.333], 0.167, 0.0),
        rankings=rankings,
        images=images,
        database_root=str(root),
        queries_root=str(root),
        conditions={"day": {"queries": 2, "R@1": 50.0}, "night": {"queries": 2, "R@1": 0.0}},
        timings={"describe": {"items": 7, "seconds": 0.14, "median_ms": 18.25, "p95_ms": 31.5}},
        identity={"method": "hog", "configuration": {"cells": 8}},
        protocol="one-way",
        weights={"path": "w/hog.safetensors", "sha256": "ab" * 32},
        notices=("1 of 4 queries have no positive",),
        list_hashes={"database": "11" * 32, "queries": "22" * 32},
        environment={"device": "cpu", "torch": "2.13"},
    )
    return dataclasses.replace(plain, **changes)


def unlabelled(root: Path) -> Result:
    """The same without ground truth."""
    labelled = result(root)
    rows = [
        dataclasses.replace(row, right=None, first_hit=None, positives=None, truth=None) for row in labelled.rankings
    ]
    return dataclasses.replace(
        labelled,
        recalls={},
        recalls_answerable={},
        intervals={},
        curve=None,
        conditions={},
        mean_average_precision=None,
        queries_without_positives=0,
        rankings=rows,
    )


def without(labelled: Result, **changes: Any) -> Result:
    """The same with a field of every ranking changed."""
    return dataclasses.replace(labelled, rankings=[dataclasses.replace(row, **changes) for row in labelled.rankings])
