"""Rankings from several crops of one query: five_crops, nearest_crop, maj_voting of the field's older benchmark.

Berton et al., Deep Visual Geo-localization Benchmark, CVPR 2022. Crops are those of `vprkit.data.images.five_crops`.
"""

import numpy as np

VOTES = (1, 5, 10)
"""Columns over which `majority` counts, one after the other."""


def nearest_crop(numbers: np.ndarray, distances: np.ndarray, k: int) -> np.ndarray:
    """The k nearest images over all crops, each named once.

    Args:
        numbers: (crops, K) database numbers, nearest first.
        distances: (crops, K) squared L2 distances.
        k: how many are wanted.

    Returns:
        At most (k,) numbers, ascending distance; of equal distances the earlier crop's.
    """
    order = np.argsort(distances, axis=None, kind="stable")
    flat = numbers.ravel()[order]
    _, first = np.unique(flat, return_index=True)
    return np.asarray(flat[np.sort(first)][:k])


def majority(numbers: np.ndarray, distances: np.ndarray, k: int, weight: float = 0.01) -> np.ndarray:
    """`nearest_crop` after images that several crops name come nearer.

    For n = 1, 5, 10 in turn, an image that stands c > 1 times among the first n columns loses weight * c / n of its
    distance there.

    Args:
        numbers, distances, k: as of `nearest_crop`.
        weight: how much votes count.
    """
    closer = distances.astype(np.float64)
    for n in VOTES:
        part = numbers[:, :n]
        _, places, counts = np.unique(part, return_inverse=True, return_counts=True)
        votes = np.where(counts > 1, counts, 0)[places.reshape(part.shape)]
        closer[:, :n] -= weight * votes / n
    return nearest_crop(numbers, closer, k)
