"""Nordland as frames per season: `summer/images-00202.png` beside `winter/...`, which are the same frame by frame.

The `@` versions are read as folders, VPR-Bench's as such, Patch-NetVLAD's lists as index files.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vprkit.data.folders import read_folder
from vprkit.data.frame_axis import FrameRule
from vprkit.data.layouts.layout import Layout, Request, Roles, split_folders
from vprkit.data.mock_positions import with_mock_positions
from vprkit.data.records import Records, concatenated
from vprkit.errors import ConfigError, DataError
from vprkit.files import unread

SEASONS = ("summer", "winter", "fall", "autumn", "spring")
KEPT = "cleanImageNames.txt"
"""Names of the frames without stops and tunnels."""

WINDOWS = {27_592: 10, 3_450: 2}
"""Frames within which an answer is right, by how many frames a version has."""


def read(request: Request) -> Roles | None:
    """Several seasons may ask one after the other (`queries="winter,fall"`); each query knows its season."""
    for root in split_folders(request.path, request.split):
        present = {season: folder for season in SEASONS if (folder := _folder(root, season)) is not None}
        if len(present) < 2:
            continue
        database = _chosen(root, present, request.database, "summer")
        asked = request.queries.split(",") if request.queries else [None]
        queries = [_chosen(root, present, name, "winter") for name in asked]
        kept = next((folder / KEPT for folder in (root, request.path) if (folder / KEPT).is_file()), None)
        return _roles(root, database, queries, kept)
    return None


def _folder(root: Path, season: str) -> Path | None:
    return next((root / name for name in (season, f"{season}_images") if (root / name).is_dir()), None)


def _chosen(root: Path, present: dict[str, Path], asked: str | None, usual: str) -> Path:
    """The folder of a season; the usual one, where it is there, unless another is asked for."""
    if asked is None:
        return present[usual] if usual in present else next(iter(present.values()))
    season = asked.strip().split("_")[0]
    if season not in present:
        raise ConfigError(f"{root}: there is no season '{asked}'; there are {', '.join(present)}")
    return present[season]


def _roles(root: Path, database: Path, queries: Sequence[Path], kept: Path | None) -> Roles:
    if database in queries:
        raise ConfigError(f"{root}: database and queries are both '{database.name}'; name two seasons")
    answering = _kept(read_folder(database, root), kept)
    asking = [_kept(read_folder(folder, root), kept) for folder in queries]
    count, names = len(answering), ", ".join(folder.name for folder in queries)
    unequal = next((folder.name for folder, table in zip(queries, asking, strict=True) if len(table) != count), None)
    if unequal is not None:
        raise DataError(f"{root}: {unequal} has another number of frames than {database.name}; are versions mixed?")
    notices = [f"database {database.name}, queries {names}"]
    if count not in WINDOWS:
        notices.append(f"{count} frames are no published version (27,592 or 3,450), whose windows are 10 and 2")
    if kept is None and count > max(WINDOWS):
        notices.append(f"stops and tunnels are still inside; put {KEPT} into {root}")
    window = WINDOWS.get(count, 10)
    seasons = [_in_season(table, folder) for table, folder in zip(asking, queries, strict=True)]
    lists = _in_season(answering, database), concatenated(seasons)
    sides = with_mock_positions(FrameRule(window), *lists, traverse=count)
    return Roles(root, *sides, tuple(notices), rule=f"frames:{window}", period=count)


def _in_season(records: Records, folder: Path) -> Records:
    return records.with_text("condition", [folder.name.split("_")[0]] * len(records))


def _kept(records: Records, listed: Path | None) -> Records:
    """Only the frames of the list, in its order."""
    if listed is None:
        return records
    try:
        names = [
            line.strip().rsplit("/", 1)[-1] for line in listed.read_text(encoding="utf-8").splitlines() if line.strip()
        ]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(unread(listed, error, "cannot be read as a list of names")) from error
    rows = {_stem(name): row for row, name in enumerate(records.names)}
    missing = [name for name in names if _stem(name) not in rows]
    if missing:
        raise DataError(
            f"{listed}: {len(missing)} of {len(names)} listed frames are not in {records.root}, such as {missing[0]}"
        )
    return records.take(np.array([rows[_stem(name)] for name in names], np.int64))


def _stem(name: str) -> str:
    return name.rsplit("/", 1)[-1].rsplit(".", 1)[0]


LAYOUT = Layout("nordland", "Nordland: one folder of frames per season (summer, winter, fall, spring)", read, 31)
