"""Lists of queries to keep: how a set that came unfiltered becomes the published one (the 740 keys of MSLS-val)."""

from pathlib import Path

import numpy as np

from vprkit.data.records import Records
from vprkit.errors import DataError


def listed_queries(path: Path, queries: Records) -> np.ndarray:
    """Rows of the listed queries, in the order of the set.

    A line is a path, a file name, its stem, or the image id of an `@` name (field 7).

    Raises:
        DataError: unreadable, or a line fits no query; its number is given.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a list of queries ({error})") from error
    rows: dict[str, int] = {}
    for row, name in enumerate(queries.names):
        for key in _keys(name):
            rows.setdefault(key, row)
    kept = set()
    for number, line in enumerate(lines, 1):
        key = line.strip()
        if not key or key.startswith("#"):
            continue
        found = next((rows[each] for each in _keys(key) if each in rows), None)
        if found is None:
            raise DataError(f"{path}, line {number}: '{key}' is none of the {len(queries)} queries")
        kept.add(found)
    if not kept:
        raise DataError(f"{path}: lists no query")
    return np.array(sorted(kept), np.int64)


def _keys(name: str) -> list[str]:
    """What a query may be called, the longest first."""
    base = name.rsplit("/", 1)[-1]
    fields = base.split("@")
    image = [fields[7]] if len(fields) > 8 and fields[7] else []
    return [name, base, base.rsplit(".", 1)[0], *image]
