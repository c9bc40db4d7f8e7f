"""Pittsburgh 30k and 250k as distributed: `datasets/<set>_<split>.mat`, images below the root and `queries_real/`."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vprkit.config import nearest
from vprkit.data.layouts.dbstruct import read_dbstruct, with_suffix_on_disk
from vprkit.data.layouts.layout import Layout, Request, Roles
from vprkit.data.records import Records
from vprkit.errors import ConfigError

SETS = ("pitts30k", "pitts250k")
QUERIES = "queries_real"
ZONE = 17

_VIEW = re.compile(r"(\d{6})_pitch(\d)_yaw(\d{1,2})\.")


def read(request: Request) -> Roles | None:
    path = request.path
    present = [name for name in SETS if (path / "datasets" / f"{name}_{request.split}.mat").is_file()]
    if not present:
        return None
    if request.variant is not None and request.variant not in present:
        hint = nearest(request.variant, present)
        raise ConfigError(f"{path}/datasets: there is no {request.variant}_{request.split}.mat{hint}")
    chosen = request.variant or present[0]
    listed = path / "datasets" / f"{chosen}_{request.split}.mat"
    struct = read_dbstruct(listed)
    notices: tuple[str, ...] = ()
    if len(present) > 1 and request.variant is None:
        notices = (f"{chosen} was read; {present[1]} lies here too (variant {present[1]})",)
    database, more = with_suffix_on_disk(path, struct.database, listed.name)
    queries, others = with_suffix_on_disk(path, [f"{QUERIES}/{name}" for name in struct.queries], listed.name)
    return Roles(
        path,
        _records(path, database, struct.utm_database),
        _records(path, queries, struct.utm_queries),
        (*notices, *dict.fromkeys((*more, *others))),
        rule="planar",
        radius=struct.radius,
        of_split=True,
    )


def _records(root: Path, names: Sequence[str], utm: np.ndarray) -> Records:
    rows = [
        {"name": name, "east": east, "north": north, "zone": ZONE, **naming(name)}
        for name, (east, north) in zip(names, utm.tolist(), strict=True)
    ]
    return Records.from_rows(root, rows)


def naming(name: str) -> dict[str, Any]:
    """What an `@` name says of a view besides its position; the formatter counts views of the second pitch from 24."""
    match = _VIEW.search(name)
    if match is None:
        return {}
    panorama, pitch, yaw = match[1], int(match[2]), int(match[3])
    return {"id": panorama, "tile": f"{24 * (pitch - 1) + yaw - 1:02d}", "note": f"pitch{pitch}_yaw{yaw}"}


LAYOUT = Layout(
    "pittsburgh",
    "Pittsburgh: datasets/pitts30k_test.mat (or 250k), images in 000/ ... and queries_real/",
    read,
    20,
    chooses=False,
)
