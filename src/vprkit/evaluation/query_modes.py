"""Other ways to prepare queries: kept in shape, cropped, or as five crops whose answers are joined.

Berton et al., Deep Visual Geo-localization Benchmark, CVPR 2022 (`--test_method`). Database images are always prepared
as the method says.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal

import numpy as np
from torch import Tensor, nn

from vprkit.data import images as pictures
from vprkit.errors import ConfigError
from vprkit.evaluation.crop_votes import majority, nearest_crop
from vprkit.features import Features
from vprkit.method import Method, Multimodal
from vprkit.preprocessing import Preprocessing
from vprkit.registry import Metric

QueryMode = Literal[
    "hard_resize", "single_query", "central_crop", "central_crop_nearest", "five_crops", "nearest_crop", "maj_voting"
]
CROPS = 5

Join = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
"""(5, K) numbers and squared distances of a query's crops, and k, to at most k numbers."""

Rank = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class FiveCrops(nn.Module):
    """Global vectors of an image's five crops, one after the other: (B, 3, H, W) -> (B, 5 * D)."""

    def __init__(self, network: nn.Module, side: int) -> None:
        super().__init__()
        self.network = network
        self.side = side

    def forward(self, images: Tensor) -> Tensor:
        crops = pictures.five_crops(images, self.side)
        output = self.network(crops.flatten(0, 1))
        vectors = output.global_ if isinstance(output, Features) else output
        joined: Tensor = vectors.reshape(len(images), -1)
        return joined


def query_method(method: Method, mode: QueryMode) -> Method:
    """The method as it describes queries in this mode; it shares the network.

    Raises:
        ConfigError: an unknown mode, the method leaves images at their own size, or it reads texts, which no crop has.
    """
    if mode not in _PREPARED:
        raise ConfigError(f"queries as '{mode}' are unknown; use {', '.join(_PREPARED)}")
    if mode == "hard_resize":
        return method
    if method.preprocessing.size is None or method.preprocessing.fit == "none":
        raise ConfigError(f"queries as {mode} need a method that brings images to a size; pass resize")
    if mode in JOINED and isinstance(method.network, Multimodal):
        raise ConfigError(f"queries as {mode} are crops, which have no texts of their own, and '{method.name}' reads "
                          "texts; use hard_resize, single_query or central_crop")  # fmt: skip
    prepared = _PREPARED[mode](method.preprocessing)
    side = min(method.preprocessing.size)
    network = FiveCrops(method.network, side) if mode in JOINED else method.network
    return Method(network, prepared, name=method.name, metric=method.metric,
                  configuration={**method.configuration, "queries_as": mode}, weights=method.weights,
                  device=method.device, precision=method.precision)  # fmt: skip


def ranked_as(
    mode: QueryMode, vectors: np.ndarray, asked: np.ndarray, queries: int, metric: Metric, k: int, rank: Rank
) -> tuple[np.ndarray, np.ndarray]:
    """(queries, K) database numbers and scores of queries described in some mode; -1 and -inf where there are none.

    Args:
        mode: the mode.
        vectors: (A, D) of the queries that could be read, (A, 5 * D) in modes of five crops.
        asked: (A,) their numbers.
        queries: how many there are.
        metric: of the vectors.
        k: answers wanted.
        rank: (A, D) vectors to (queries, K) numbers and scores.
    """
    if mode not in JOINED:
        return rank(vectors)
    crops = np.moveaxis(vectors.reshape(len(vectors), CROPS, -1), 1, 0)
    join = JOINED[mode]
    if join is None:
        return rank(np.ascontiguousarray(crops.mean(0)))  # not normalised again, as published
    each = [rank(np.ascontiguousarray(part)) for part in crops]
    numbers, scores = np.full((queries, k), -1, np.int64), np.full((queries, k), -np.inf)
    for query in asked:
        row = np.stack([found[0][query] for found in each])
        alike = np.stack([found[1][query] for found in each])
        answer = join(row, _squared(alike, metric), k)
        answer = answer[answer >= 0]
        best = {int(number): float(alike[row == number].max()) for number in answer}
        numbers[query, : len(answer)] = answer
        scores[query, : len(answer)] = list(best.values())
    return numbers, scores


def _squared(scores: np.ndarray, metric: Metric) -> np.ndarray:
    """Squared L2 distances; unit vectors are assumed where inner products were measured."""
    return -scores if metric == "l2" else 2 - 2 * scores


def _shorter(preprocessing: Preprocessing) -> Preprocessing:
    return dataclasses.replace(preprocessing, fit="shorter")


def _free_shorter(preprocessing: Preprocessing) -> Preprocessing:
    """The crops have the method's size, so the image itself may have any."""
    return dataclasses.replace(preprocessing, fit="shorter", multiple=1)


def _cropped(preprocessing: Preprocessing) -> Preprocessing:
    return dataclasses.replace(preprocessing, fit="central_crop")


def _cropped_as_published(preprocessing: Preprocessing) -> Preprocessing:
    """Nearest pixels of the normalised image, as SelaVPR's code takes them."""
    return dataclasses.replace(preprocessing, fit="central_crop", engine="tensor", interpolation="nearest")


_PREPARED: dict[str, Callable[[Preprocessing], Preprocessing]] = {
    "hard_resize": lambda preprocessing: preprocessing,
    "single_query": _shorter,
    "central_crop": _cropped,
    "central_crop_nearest": _cropped_as_published,
    "five_crops": _free_shorter,
    "nearest_crop": _free_shorter,
    "maj_voting": _free_shorter,
}

JOINED: dict[str, Join | None] = {"five_crops": None, "nearest_crop": nearest_crop, "maj_voting": majority}
"""Modes of five crops -> how their answers are joined; None where their vectors are averaged."""
