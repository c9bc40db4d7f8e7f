"""`dbStruct`: the MATLAB struct that lists the Pittsburgh and Tokyo sets (Arandjelovic et al., CVPR 2016)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vprkit.data.disk import is_file
from vprkit.data.matfile import read_mat
from vprkit.data.records import checked_name
from vprkit.errors import DataError

FIELDS = (
    "whichSet", "dbImageFns", "utmDb", "qImageFns", "utmQ", "numImages", "numQueries", "posDistThr", "posDistSqThr",
    "nonTrivPosDistSqThr",
)  # fmt: skip
"""In the order that readers by position rely on."""


@dataclass(frozen=True, eq=False)
class DbStruct:
    """What such a file lists.

    Attributes:
        which_set: train, val or test.
        database, queries: file names as written.
        utm_database, utm_queries: (D, 2) and (Q, 2) east and north in metres.
        radius: metres within which a database image is right.
        non_trivial: metres of training positives, or None.
    """

    which_set: str
    database: list[str]
    queries: list[str]
    utm_database: np.ndarray
    utm_queries: np.ndarray
    radius: float
    non_trivial: float | None


def read_dbstruct(path: Path) -> DbStruct:
    """The struct of a file.

    Raises:
        DataError: no such struct, or its parts contradict each other.
    """
    structs = [value for value in read_mat(path).values() if isinstance(value, dict)]
    if not structs:
        raise DataError(f"{path}: holds no struct; a dbStruct of the Pittsburgh or Tokyo sets is needed")
    fields = _by_name(path, structs[0])
    lists = {role: _names(path, fields[key], key) for role, key in (("db", "dbImageFns"), ("q", "qImageFns"))}
    utm = {
        "db": _positions(path, fields["utmDb"], "utmDb", len(lists["db"])),
        "q": _positions(path, fields["utmQ"], "utmQ", len(lists["q"])),
    }
    for key, role in (("numImages", "db"), ("numQueries", "q")):
        stated = _number(path, fields[key], key)
        if stated is not None and stated != len(lists[role]):
            raise DataError(f"{path}: {key} says {stated:g}, but {len(lists[role])} names are listed")
    radius = _number(path, fields["posDistThr"], "posDistThr")
    squared = _number(path, fields["nonTrivPosDistSqThr"], "nonTrivPosDistSqThr")
    if radius is None or not 0 < radius < 1e6:
        raise DataError(f"{path}: posDistThr is {radius}, which is no distance in metres")
    non_trivial = None if squared is None or squared < 0 else squared**0.5
    which = fields["whichSet"] if isinstance(fields["whichSet"], str) else ""
    return DbStruct(which, lists["db"], lists["q"], utm["db"], utm["q"], radius, non_trivial)


def _by_name(path: Path, struct: dict[str, Any]) -> dict[str, Any]:
    """Fields by name, or by position where a file names them otherwise."""
    if "dbImageFns" not in struct and len(struct) >= 8:
        struct = dict(zip(FIELDS, struct.values(), strict=False))
    missing = [name for name in (*FIELDS[1:5], "posDistThr") if name not in struct]
    if missing:
        raise DataError(f"{path}: the struct has no '{missing[0]}', only {', '.join(list(struct)[:12])}")
    return {name: struct.get(name) for name in FIELDS}


def _names(path: Path, value: Any, key: str) -> list[str]:
    if isinstance(value, str):  # a cell of one
        value = [value]
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise DataError(f"{path}: {key} is no list of file names")
    return [checked_name(name) for name in value]


def _positions(path: Path, value: Any, key: str, count: int) -> np.ndarray:
    """(count, 2) float64 from a (2, count) array."""
    if not isinstance(value, np.ndarray) or value.shape not in ((2, count), (count, 2)):
        shape = value.shape if isinstance(value, np.ndarray) else type(value).__name__
        raise DataError(f"{path}: {key} is {shape}, but {count} images need (2, {count})")
    rows = value.T if value.shape == (2, count) else value
    return np.ascontiguousarray(rows, np.float64)


def _number(path: Path, value: Any, key: str) -> float | None:
    if value is None:
        return None
    if not isinstance(value, np.ndarray) or value.size != 1 or not np.isfinite(value).all():
        raise DataError(f"{path}: {key} is no number")
    return float(value.ravel()[0])


def with_suffix_on_disk(root: Path, names: Sequence[str], notice: str) -> tuple[list[str], tuple[str, ...]]:
    """The names with another suffix where the files have one (Tokyo's list says .jpg, its files are .png)."""
    if not names or is_file(root / names[0]):
        return list(names), ()
    stem, dot, listed = names[0].rpartition(".")
    found = next((end for end in ("png", "jpg", "JPG", "jpeg") if is_file(root / f"{stem}.{end}")), None)
    if not dot or found is None:
        return list(names), ()
    end = f".{listed}"
    renamed = [f"{name.removesuffix(end)}.{found}" for name in names]
    return renamed, (f"{notice} lists {end} files, on disk they are .{found}",)
