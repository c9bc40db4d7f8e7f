"""Which of many matches a picture shows."""

import warnings
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from scipy.cluster.vq import kmeans2

from vprkit.errors import ConfigError
from vprkit.report.matches import Pair

Choice = Literal["spread", "clusters"]
Chooser = Callable[[Pair, int], Pair]
"""At most so many of a pair's matches."""

SEED = 0


def spread(pair: Pair, most: int) -> Pair:
    """Matches spread evenly over their order, which is that of the first photo's cells."""
    count = len(pair.first)
    return pair.take(np.unique(np.linspace(0, count - 1, min(most, count)).astype(int))) if count else pair


def clusters(pair: Pair, most: int) -> Pair:
    """One match of each of `most` clusters of alike matches: the most salient (RerankVPR's figure).

    Clusters are made by k-means over the descriptors of both cells, joined and brought to length 1. It is SciPy's with
    a fixed seed; the published figure has scikit-learn's, which may make other clusters. Where cells have no saliency,
    the match whose descriptors agree best stands for its cluster.

    Raises:
        ConfigError: the pair does not know its descriptors.
    """
    if pair.descriptors is None:
        raise ConfigError("clusters are made of descriptors, these matches came without; choose spread")
    if not len(pair.first):
        return pair
    joined = pair.descriptors.reshape(len(pair.first), -1).astype(np.float64)
    joined /= np.linalg.norm(joined, axis=1, keepdims=True) + 1e-12
    count = min(most, len(np.unique(joined, axis=0)))  # k-means++ has no start for clusters beyond distinct points
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an empty cluster: then fewer matches are shown
        labels = kmeans2(joined, count, minit="++", seed=SEED)[1]
    worth = _agreement(pair.descriptors) if pair.saliency is None else pair.saliency
    order = np.argsort(-worth, kind="stable")
    return pair.take(np.sort(order[np.unique(labels[order], return_index=True)[1]]))


CHOOSERS: Mapping[Choice, Chooser] = {"spread": spread, "clusters": clusters}


def _agreement(descriptors: np.ndarray) -> np.ndarray:
    """(M,) cosines of (M, 2, C) descriptors of matched cells."""
    lengths = np.linalg.norm(descriptors, axis=2).prod(1) + 1e-12
    return np.asarray((descriptors[:, 0] * descriptors[:, 1]).sum(1) / lengths)
