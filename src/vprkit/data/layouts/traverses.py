"""Sets of traverses: one folder per drive or walk, of which one is the database and another asks.

Gardens Point Walking, and the small St Lucia of the VPR tutorial (Schubert et al., 2023), whose `GT.npz` holds boolean
tables `GThard` (right) and `GTsoft` (right or nearly so), rows database, columns queries.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vprkit.data.arrays import read_npz
from vprkit.data.folders import read_folder
from vprkit.data.frame_axis import FrameRule
from vprkit.data.ground_truth import GroundTruth
from vprkit.data.layouts.layout import Layout, Request, Roles, split_folders
from vprkit.data.mock_positions import with_mock_positions
from vprkit.data.positives import Positives
from vprkit.data.records import Records
from vprkit.errors import DataError

TABLE = "GT.npz"


@dataclass(frozen=True)
class Traverses:
    """Two folders that belong together.

    Attributes:
        database, queries: their names.
        rule: what is right where no table says.
    """

    database: str
    queries: str
    rule: str = ""


KNOWN = (
    Traverses("day_right", "night_right", "frames:2"),
    Traverses("day_left", "night_right", "frames:2"),
    Traverses("day_right", "day_left", "frames:2"),
    Traverses("100909_0845", "180809_1545"),
    Traverses("100909_0845", "210809_1210"),
)
"""Pairs of folders by which such a set is recognised, the usual one first."""


def read(request: Request) -> Roles | None:
    for root in split_folders(request.path, request.split):
        pair = _pair(root, request)
        if pair is not None:
            return _read(root, pair)
        if (root / TABLE).is_file():
            usual = (("database", "queries"), ("db", "query"), ("ref", "query"))
            found = next((Traverses(*names) for names in usual if all((root / name).is_dir() for name in names)), None)
            if found is not None:
                return _read(root, found)
    return None


def _pair(root: Path, request: Request) -> Traverses | None:
    present = [pair for pair in KNOWN if (root / pair.database).is_dir() and (root / pair.queries).is_dir()]
    if not present:
        return None
    wanted = Traverses(request.database or present[0].database, request.queries or present[0].queries, present[0].rule)
    both = (root / wanted.database).is_dir() and (root / wanted.queries).is_dir()
    return wanted if both else None


def _read(root: Path, pair: Traverses) -> Roles:
    database, queries = read_folder(root / pair.database, root), read_folder(root / pair.queries, root)
    words = (f"database {pair.database}, queries {pair.queries}",)
    if not (root / TABLE).is_file():
        sides = with_mock_positions(FrameRule.read(pair.rule), database, queries) if pair.rule else (database, queries)
        return Roles(root, *sides, words, rule=pair.rule)
    right, ignored = _tables(root / TABLE, database, queries)
    truth = GroundTruth(right, f"listed in {TABLE}; nearly right answers are ignored" if ignored else "listed")
    return Roles(root, database, queries, words, truth=truth, ignored=ignored)


def _tables(path: Path, database: Records, queries: Records) -> tuple[Positives, Positives | None]:
    """What is right, and what is neither right nor wrong: set in `GTsoft` only."""
    arrays = read_npz(path)
    if "GThard" not in arrays:
        raise DataError(f"{path}: needs the table GThard, holds {', '.join(arrays) or 'nothing'}")
    hard = _table(path, "GThard", arrays["GThard"], database, queries)
    if "GTsoft" not in arrays:
        return _columns(hard), None
    soft = _table(path, "GTsoft", arrays["GTsoft"], database, queries)
    return _columns(hard), _columns(soft & ~hard)


def _table(path: Path, name: str, table: Any, database: Records, queries: Records) -> np.ndarray:
    shape = (len(database), len(queries))
    if not isinstance(table, np.ndarray) or table.shape != shape or table.dtype.kind not in "?biuf":
        found = table.shape if isinstance(table, np.ndarray) else type(table).__name__
        raise DataError(f"{path}: {name} is {found}, but there are {shape[0]} database images and {shape[1]} queries")
    return np.asarray(table != 0)


def _columns(table: np.ndarray) -> Positives:
    """Rows that are set, per column."""
    query, row = np.nonzero(table.T)
    offsets = np.append(0, np.cumsum(np.bincount(query, minlength=table.shape[1]))).astype(np.int64)
    return Positives(offsets, row.astype(np.int64))


LAYOUT = Layout(
    "traverses", "Gardens Point (day_right, night_right, ...) and the tutorial's sets with GT.npz", read, 32
)
