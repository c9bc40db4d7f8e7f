"""Lists of queries to keep: how a set that came unfiltered becomes the published one (the 740 keys of MSLS-val)."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from vprkit.data.decoding import is_image_name
from vprkit.data.descriptions import read_descriptions
from vprkit.data.records import Records
from vprkit.errors import DataError
from vprkit.files import unread


def listed_queries(path: Path, queries: Records) -> np.ndarray:
    """Rows of the listed queries, in the order of the set.

    A line is a path, a file name, its stem, or the image id of an `@` name (field 7). A CSV with the column
    `image_path`, as LaVPR lists its subsets, names database images too: of these only queries are taken.

    Raises:
        DataError: unreadable, or a line fits no query; its number is given.
    """
    rows = rows_by_key(queries)
    kept = _described(path, rows) if path.suffix.lower() == ".csv" else _lines(path, rows, len(queries))
    if not kept:
        raise DataError(f"{path}: lists none of the {len(queries)} queries")
    return np.array(sorted(kept), np.int64)


def _lines(path: Path, rows: Mapping[str, int], count: int) -> set[int]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(unread(path, error, "cannot be read as a list of queries")) from error
    kept = set()
    for number, line in enumerate(lines, 1):
        key = line.strip()
        if not key or key.startswith("#"):
            continue
        found = next((rows[each] for each in _keys(key) if each in rows), None)
        if found is None:
            raise DataError(f"{path}, line {number}: '{key}' is none of the {count} queries")
        kept.add(found)
    return kept


def _described(path: Path, rows: Mapping[str, int]) -> set[int]:
    """Rows whose path, or its end, a CSV of descriptions names; a bare file name would not tell the role."""
    ends = (PurePosixPath(name).parts for name in read_descriptions(path).texts)
    tails = (["/".join(parts[start:]) for start in range(len(parts) - 1)] for parts in ends)
    return {rows[name] for each in tails for name in each if name in rows}


def rows_by_key(queries: Records) -> dict[str, int]:
    """Row of every query by each thing that it may be called; the first of several."""
    rows: dict[str, int] = {}
    for row, name in enumerate(queries.names):
        for key in _keys(name):
            rows.setdefault(key, row)
    return rows


def _keys(name: str) -> list[str]:
    """What a query may be called, the longest first."""
    base = name.rsplit("/", 1)[-1]
    fields = base.split("@")
    image = [fields[7]] if len(fields) > 8 and fields[7] else []
    stems = [each.rsplit(".", 1)[0] for each in image if is_image_name(each)]  # Tokyo's keep `.jpg` in field 7
    return [name, base, base.rsplit(".", 1)[0], *image, *stems]
