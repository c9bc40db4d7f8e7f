"""Lists of database numbers as others store them, made into positives; and names of other computers, made ours."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from vprkit.data.disk import is_file
from vprkit.data.positives import Positives
from vprkit.data.records import checked_name
from vprkit.errors import DataError

DEEPEST = 32
"""Folders that a foreign path may have above the part that is known here."""


def positives_of(lists: Any, queries: int, database: int, where: str) -> tuple[Positives, tuple[str, ...]]:
    """Positives of one list per query, and what was odd.

    Args:
        lists: an array (Q, n) or (Q,) of numbers, or Q lists or arrays of them; `[-1]` says that nothing is right.
        queries, database: how many there are.
        where: file, for messages.

    Raises:
        DataError: another number of lists, or entries that are no whole numbers.
    """
    if isinstance(lists, np.ndarray):
        lists = list(lists) if lists.ndim else [lists]
    if not isinstance(lists, list) or len(lists) != queries:
        count = len(lists) if isinstance(lists, list) else "no"
        raise DataError(f"{where}: {count} lists of positives for {queries} queries")
    rows = [_numbers(row, number, where) for number, row in enumerate(lists)]
    beyond = sum(int((row >= database).sum()) for row in rows)
    notices: tuple[str, ...] = ()
    if beyond:
        largest = max(int(row.max(initial=0)) for row in rows)
        notices = (f"{where}: {beyond} positives lie beyond the {database} database images (up to {largest}); dropped",)
    return Positives.of([row[(row >= 0) & (row < database)] for row in rows]), notices


def _numbers(row: Any, number: int, where: str) -> np.ndarray:
    try:
        values = np.asarray(row)
        if values.dtype.kind == "f" and not (values.size and (values % 1).any()):
            values = values.astype(np.int64)
        if not values.size:
            return np.zeros(0, np.int64)
        if values.dtype.kind not in "iu":
            raise ValueError
        values = values.astype(np.int64).ravel()
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{where}: the positives of query {number} are no whole numbers") from error
    if (values < -1).any() or (len(values) > 1 and (values < 0).any()):
        raise DataError(f"{where}: the positives of query {number} hold a negative number")
    return values


def names_of(value: Any, where: str) -> list[str]:
    """A list of paths from an array of texts.

    Raises:
        DataError: it holds something else.
    """
    items = value.ravel().tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(items, list):
        raise DataError(f"{where}: no list of file names")
    texts = [item.decode("utf-8", "surrogateescape") if isinstance(item, bytes) else item for item in items]
    bad = next((item for item in texts if not isinstance(item, str)), None)
    if bad is not None:
        raise DataError(f"{where}: '{str(bad)[:80]}' is no file name")
    return [text.replace("\\", "/") for text in texts]


def rebased(names: Sequence[str], root: Path, where: str) -> list[str]:
    """Names relative to `root`; absolute ones of another computer are matched by the part that exists here.

    Raises:
        DataError: no end of the first absolute path exists below `root`.
    """
    if not any(_absolute(name) for name in names):
        return [checked_name(name) for name in names]
    cut = 0
    result = []
    for name in names:
        if not _absolute(name):
            result.append(checked_name(name))
            continue
        parts = PurePosixPath(name).parts
        if not cut or not _exists(root, parts[cut:]):
            found = next((at for at in range(1, min(len(parts), DEEPEST)) if _exists(root, parts[at:])), None)
            if found is None and not cut:
                raise DataError(
                    f"{where}: '{name}' is a path of another computer, and no end of it exists below {root}; give the "
                    "folder of the images"
                )
            cut = found or cut
        result.append(checked_name("/".join(parts[cut:])))
    return result


def _absolute(name: str) -> bool:
    return name.startswith("/") or name[1:3] == ":/"


def _exists(root: Path, parts: Sequence[str]) -> bool:
    if not parts or ".." in parts or any("\0" in part or len(part) > 255 for part in parts):
        return False
    return is_file(root.joinpath(*parts))
