"""Tokyo 24/7 as distributed: `datasets/tokyo247.mat`, database views as PNG, queries in a folder of their own."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vprkit.config import nearest
from vprkit.data.disk import is_file
from vprkit.data.layouts.dbstruct import DbStruct, read_dbstruct, with_suffix_on_disk
from vprkit.data.layouts.layout import Layout, Request, Roles
from vprkit.data.records import Records
from vprkit.errors import ConfigError

LIST = Path("datasets") / "tokyo247.mat"
QUERIES = ("247query_subset_v2", "247query_v3", "Tokyo247query_subset_v2")
ZONE = 54
STEP = 30
"""Degrees from one view of a panorama to the next."""


def read(request: Request) -> Roles | None:
    path = request.path
    if not (path / LIST).is_file():
        return None
    struct = read_dbstruct(path / LIST)
    if request.queries is not None and not (path / request.queries).is_dir():
        raise ConfigError(
            f"{path}: there is no folder '{request.queries}' of queries{nearest(request.queries, QUERIES)}"
        )
    folder = next((name for name in (request.queries, *QUERIES) if name and (path / name).is_dir()), QUERIES[0])
    asked = [name if "/" in name else f"{folder}/{name}" for name in struct.queries]
    queries, notices = with_suffix_on_disk(path, asked, LIST.name)
    below = _database_folder(path, struct)
    database, more = with_suffix_on_disk(path, [f"{below}{name}" for name in struct.database], LIST.name)
    return Roles(
        path,
        _records(path, database, struct.utm_database, views=True),
        _records(path, queries, struct.utm_queries, views=False),
        (*notices, *more),
        rule="planar",
        radius=struct.radius,
    )


def _database_folder(path: Path, struct: DbStruct) -> str:
    """Where the views lie: in the root, or one folder down."""
    if not struct.database:
        return ""
    first = Path(struct.database[0]).with_suffix("")
    folders = ["", *(f"{entry.name}/" for entry in sorted(path.iterdir()) if entry.is_dir())]
    found = (below for below in folders
             if any(is_file(path / f"{below}{first}.{end}") for end in ("png", "jpg")))  # fmt: skip
    return next(found, "")


def _records(root: Path, names: Sequence[str], utm: np.ndarray, views: bool) -> Records:
    rows = []
    for name, (east, north) in zip(names, utm.tolist(), strict=True):
        row = {"name": name, "east": east, "north": north, "zone": ZONE}
        rows.append({**row, **(_view(name) if views else {"id": name.rsplit("/", 1)[-1]})})
    return Records.from_rows(root, rows)


def _view(name: str) -> dict[str, str]:
    """Panorama and view number of `<22 characters>_012_<degrees>.png`."""
    stem = name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    panorama, _, degrees = stem.rpartition("_")
    if not (degrees.isascii() and degrees.isdigit()):
        return {"id": stem}
    return {"id": panorama.removesuffix("_012"), "tile": f"{int(degrees) // STEP:02d}"}


LAYOUT = Layout("tokyo247", "Tokyo 24/7: datasets/tokyo247.mat, 247query_subset_v2/", read, 21)
