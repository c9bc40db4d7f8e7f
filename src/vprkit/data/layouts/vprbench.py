"""VPR-Bench's folders: `ref/%07d.jpg`, `query/%07d.jpg` and `ground_truth_new.npy` (Zaffar et al., IJCV 2021)."""

from pathlib import Path
from typing import Any

import numpy as np

from vprkit.data.arrays import read_npy
from vprkit.data.folders import read_folder
from vprkit.data.frame_axis import FrameRule, frame_axis
from vprkit.data.ground_truth import GroundTruth
from vprkit.data.index_lists import positives_of
from vprkit.data.layouts.layout import Layout, Request, Roles, split_folders
from vprkit.data.mock_positions import with_mock_positions
from vprkit.data.positives import Positives, frame_window
from vprkit.data.records import Records
from vprkit.errors import DataError

TRUTH = ("ground_truth_new.npy", "ground_truth.npy")
RULES = {
    "essex3in1": "frames:0", "sped": "frames:0", "gardenspoint": "frames:2", "corridor": "frames:2",
    "17places": "frames:2", "livingroom": "frames:1",
}  # fmt: skip
"""Rules of the sets whose ground truth is a window of frames, by folder name, for where the file is missing."""


def read(request: Request) -> Roles | None:
    for root in split_folders(request.path, request.split):
        if (root / "ref").is_dir() and (root / "query").is_dir():
            return _read(root)
    return None


def _read(root: Path) -> Roles:
    database, queries = read_folder(root / "ref", root), read_folder(root / "query", root)
    listed = next((root / name for name in TRUTH if (root / name).is_file()), None)
    rule = _rule_of(root, len(database), len(queries))
    if listed is not None:
        lists = _ordered(read_npy(listed), len(queries), listed)
        positives, notices = positives_of(lists, len(queries), len(database), str(listed))
        sides = _mocked(rule, database, queries, positives)
        return Roles(root, *sides, truth=GroundTruth(positives, f"listed in {listed.name}", notices))
    if database.has_position.any() and queries.has_position.any():
        return Roles(root, database, queries)
    notices = (f"{TRUTH[0]} is missing; the rule published for this set was used",) if rule else ()
    return Roles(root, *_mocked(rule, database, queries), notices, rule=rule)


def _mocked(rule: str, database: Records, queries: Records, listed: Positives | None = None) -> tuple[Records, Records]:
    """With mock positions for `@` names, where a window of frames is all that is right."""
    if not rule:
        return database, queries
    frames = FrameRule.read(rule)
    axis = frame_axis(database, queries, frames.stride)
    if listed is not None and not frame_window(axis.database, axis.queries, frames.window).same_as(listed):
        return database, queries
    return with_mock_positions(frames, database, queries)


def _rule_of(root: Path, database: int, queries: int) -> str:
    if (database, queries) == (27_592, 2_760):
        return "frames:1x10"  # Nordland: every tenth frame asks
    names = ["".join(sign for sign in part.lower() if sign.isalnum()) for part in reversed(root.resolve().parts[-3:])]
    return next((rule for name in names for known, rule in RULES.items() if name.startswith(known)), "")


def _ordered(value: Any, queries: int, path: Path) -> list[Any]:
    """The lists in the order of the queries; a row is (query number, list) or the list alone."""
    rows = (
        list(np.atleast_1d(value)) if isinstance(value, np.ndarray) else value if isinstance(value, list) else [value]
    )
    if not all(isinstance(row, (list, tuple, np.ndarray)) and len(row) == 2 and _is_pair(row) for row in rows):
        return rows
    lists: list[Any] = [[] for _ in range(queries)]
    for row in rows:
        number = _number(row[0], path)
        if not 0 <= number < queries:
            raise DataError(f"{path}: speaks of query {number}, but there are {queries}")
        lists[number] = row[1]
    return lists


def _number(value: Any, path: Path) -> int:
    """The number of a query, which some lists hold as a float."""
    plain = value.item() if isinstance(value, (np.generic, np.ndarray)) else value
    if not isinstance(plain, (int, float)) or plain != plain or abs(plain) == float("inf") or plain != int(plain):
        raise DataError(f"{path}: calls a query {plain!r:.60}, a whole number is needed")
    return int(plain)


def _is_pair(row: Any) -> bool:
    return np.ndim(row[0]) == 0 and isinstance(row[1], (list, tuple, np.ndarray))


LAYOUT = Layout("vpr-bench", "VPR-Bench: ref/, query/ and ground_truth_new.npy", read, 35, chooses=False)
