"""AmsterTime as distributed: `old/<id>.jpg` asks, `new/<id>.png` answers (Yildiz et al., ICPR 2022)."""

from pathlib import Path

from vprkit.data.folders import read_folder
from vprkit.data.ground_truth import GroundTruth
from vprkit.data.layouts.layout import Layout, Request, Roles, split_folders
from vprkit.data.mock_positions import twin_north
from vprkit.data.positives import Positives
from vprkit.data.records import Records


def read(request: Request) -> Roles | None:
    for root in split_folders(request.path, request.split):
        if (root / "old").is_dir() and (root / "new").is_dir():
            return _read(root)
    return None


def _read(root: Path) -> Roles:
    database, queries = _numbered(read_folder(root / "new", root)), _numbered(read_folder(root / "old", root))
    rows = {_stem(name): row for row, name in enumerate(database.names)}
    pairs = [[rows[_stem(name)]] if _stem(name) in rows else [] for name in queries.names]
    alone = [name for name, pair in zip(queries.names, pairs, strict=True) if not pair]
    notices = (f"{len(alone)} old images have no new one, such as {alone[0]}",) if alone else ()
    truth = GroundTruth(Positives.of(pairs), "the image of the same id", notices)
    return Roles(root, database, queries, truth=truth)


def _numbered(records: Records) -> Records:
    """With the id as place and for `@` names, whose mock north is its thousandfold."""
    ids = [_stem(name) for name in records.names]
    told = records.with_text("place", ids).with_text("id", ids)
    if not all(each.isascii() and each.isdigit() for each in ids):
        return told
    return told.with_text("mock_north", [twin_north(int(each)) for each in ids])


def _stem(name: str) -> str:
    return name.rsplit("/", 1)[-1].rsplit(".", 1)[0]


LAYOUT = Layout("amstertime", "AmsterTime: old/<id>.jpg (queries) and new/<id>.png (database)", read, 33, chooses=False)
