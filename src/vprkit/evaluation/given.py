"""Somebody's own vectors and rankings: what is refused, and what a reader of their result should know."""

import numpy as np

from vprkit.errors import DataError
from vprkit.registry import Metric

UNEVEN = 0.01
"""Lengths that vary by a smaller share are those of unit vectors, in half precision too."""


def lengths_told(database: np.ndarray, queries: np.ndarray, metric: Metric) -> list[str]:
    """What a result says where vectors of varying lengths are compared by inner product: long ones come first then.

    Vectors of zeros do not count: no length can be given to them.
    """
    if metric != "ip":
        return []
    told = []
    for role, vectors in (("database", database), ("query", queries)):
        lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
        lengths = lengths[lengths > 0]
        if lengths.size and lengths.max() - lengths.min() > UNEVEN * lengths.max():
            told.append(f"{role} vectors have lengths from {lengths.min():.3g} to {lengths.max():.3g} and are compared "
                        "by inner product; normalise them or give metric='l2'")  # fmt: skip
    return told


def check_rows(rankings: np.ndarray) -> None:
    """Refuse -1 before the end of a row, and a number that stands twice in one."""
    padded = rankings < 0
    inside = np.flatnonzero((padded[:, :-1] & ~padded[:, 1:]).any(1))
    if inside.size:
        raise DataError(f"the ranking of query {inside[0]} has -1 before its end; -1 may only fill up a row")
    ordered = np.sort(rankings, 1)
    twice = np.flatnonzero(((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(1))
    if twice.size:
        raise DataError(f"the ranking of query {twice[0]} names a database image twice")
