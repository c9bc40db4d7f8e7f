"""What a reader of a result should know before its figures mislead, one sentence each."""

from collections.abc import Mapping

import numpy as np

from vprkit.data.benchmark import Benchmark
from vprkit.data.decoding import open_image, orientation_of
from vprkit.data.records import Records
from vprkit.errors import ImageError
from vprkit.loading import RANDOM as RANDOM_WEIGHTS
from vprkit.method import Method
from vprkit.registry import Metric

UNEVEN = 0.01
"""Lengths that vary by a smaller share are those of unit vectors, in half precision too."""

LOOKS = 25
"""Photos of each role that are looked at: a folder of photos as phones write them has many that are turned."""

RANDOM = f"{RANDOM_WEIGHTS}:"
"""How the path of weights that nobody trained begins."""


def cautions(method: Method, images: Mapping[str, Records]) -> list[str]:
    """What is said of a network that nobody trained, and of photos that are not turned.

    Args:
        method: what was evaluated.
        images: role -> its photos; some of them are opened, none is decoded.
    """
    found = []
    if method.weights is not None and method.weights.path.startswith(RANDOM):
        found.append("the weights are random: these are figures of a network that has learnt nothing")
    if "image" in method.reads("query") and not method.preprocessing.exif_orientation:
        turned = [role for role, records in images.items() if any_turned(records)]
        if turned:
            found.append(f"some photos ({', '.join(turned)}) are to be turned as their EXIF block says, which is not "
                         "done, as for published numbers; --exif-orientation turns them")  # fmt: skip
    return found


def any_turned(records: Records) -> bool:
    """Whether any of some photos, evenly spread over all, has an EXIF orientation."""
    for row in np.unique(np.linspace(0, len(records) - 1, min(LOOKS, len(records))).round().astype(int)):
        try:
            with open_image(records.path(int(row))) as image:
                if orientation_of(image) not in (0, 1):
                    return True
        except ImageError:
            continue
    return False


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
        if len(found) == len(records):
            continue
        gone = np.setdiff1d(np.arange(len(records)), found)
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
