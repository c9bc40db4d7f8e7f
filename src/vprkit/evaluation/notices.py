"""What a reader of a result should know of the vectors behind it, one sentence each."""

import numpy as np

from vprkit.data.benchmark import Benchmark
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


def left_out(benchmark: Benchmark, kept: np.ndarray, asked: np.ndarray) -> list[str]:
    """Which images could not be described.

    Args:
        benchmark: what was to be described.
        kept, asked: numbers of the database images and of the queries that were.
    """
    told = []
    for role, records, found in (("database", benchmark.database, kept), ("query", benchmark.queries, asked)):
        gone = np.setdiff1d(np.arange(len(records)), found)
        if not gone.size:
            continue
        one = gone.size == 1
        what, skipped = ("image", "was skipped") if one else ("images", "were skipped")
        miss = "a skipped query counts as a miss" if one else "skipped queries count as misses"
        such = ", such as" if gone.size > 3 else ":"
        names = ", ".join(records.names[int(row)] for row in gone[:3])
        sentence = f"{gone.size} {role} {what} could not be read and {skipped}{such} {names}"
        if benchmark.frames is not None:  # the names are those of centres, and another frame may be the broken one
            what = "sequence" if one else "sequences"
            sentence = f"{gone.size} {role} {what} with an unreadable image {skipped}{such} around {names}"
        scored = role == "query" and benchmark.positives is not None
        told.append(f"{sentence}; {miss}" if scored else sentence)
    return told
