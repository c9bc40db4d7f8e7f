"""Rows taken out of a map: a list on disk, and finding rows by name or wildcard."""

import json
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from vprkit.errors import StoreError, VprError
from vprkit.files import write_json
from vprkit.retrieval.store import FeatureStore

FILE = "removed.json"


def read_removed(folder: Path) -> list[int]:
    """Removed rows of the map in `folder`.

    Raises:
        StoreError: the list is damaged.
    """
    path = folder / FILE
    try:
        rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        if not isinstance(rows, list) or not all(isinstance(row, int) and row >= 0 for row in rows):
            raise ValueError("not a list of row numbers")
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read ({error}); delete it to bring removed images back") from error
    return rows


def write_removed(folder: Path, rows: Iterable[int]) -> None:
    """Replace the list; the caller holds the map's lock."""
    write_json(folder / FILE, sorted(rows))


def carry_removals(folder: Path, store: FeatureStore) -> None:
    """A removed photo that was changed, corrected or moved stays removed under its new row; the caller holds the lock.

    Rows that were replaced leave the list when their new ones have come in: one that still stands there tells of a
    writer that was interrupted in between.

    Args:
        folder: of the map.
        store: after it was described further.
    """
    removed = {row for row in read_removed(folder) if row < len(store)}
    if not removed:
        return
    hidden = removed | {store.keys[path] for path in map(str, map(store.path, removed)) if path in store.keys}
    for block in store.blocks:
        if len(block.superseded) == block.stop - block.start:  # row for row
            hidden |= {block.start + i for i, old in enumerate(block.superseded) if old in hidden}
    write_removed(folder, (row for row in hidden if store.current[row]))


def matching(names: Sequence[str], store: FeatureStore, rows: np.ndarray, folder: Path) -> set[int]:
    """Rows whose name, relative to its folder or complete, equals or fits one of `names`.

    Raises:
        VprError: a name fits none.
    """
    known = [(int(row), (store.names[int(row)], str(store.path(int(row))))) for row in rows]
    found: set[int] = set()
    for name in names:
        fitting = {row for row, spellings in known
                   if any(name == spelling or fnmatchcase(spelling, name) for spelling in spellings)}  # fmt: skip
        if not fitting:
            raise VprError(f"'{name}' fits no image of {folder}; `vpr map info {folder} --list` shows the names")
        found |= fitting
    return found


def live_rows(store: FeatureStore, folder: Path) -> np.ndarray:
    """(N,) bool: rows of a map's store that answer: not removed, and not replaced by a later row."""
    live = np.array(store.current)
    live[[row for row in read_removed(folder) if row < len(live)]] = False
    return live
