"""Baidu Mall as distributed: beside every image a `.camera` text with the camera's place (Sun et al., CVPR 2017).

Three lines of intrinsics, a line of zeros, three lines of rotation, the camera centre `x y z`, and `width height`. What
is right goes by the distance of camera centres in space; papers use different radii, so the rule says which one was.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vprkit.data.folders import photos_below
from vprkit.data.layouts.layout import Layout, Request, Roles, split_folders
from vprkit.data.records import Records
from vprkit.errors import DataError

DATABASE = ("database", "training_images_undistort", "training", "train")
QUERIES = ("queries", "query_images_undistort", "query")
POSES = {"database": ("training_gt",), "queries": ("query_gt",)}


def read(request: Request) -> Roles | None:
    for root in split_folders(request.path, request.split):
        database = _first(root, (request.database,) if request.database else DATABASE)
        queries = _first(root, (request.queries,) if request.queries else QUERIES)
        if database is None or queries is None or next(root.rglob("*.camera"), None) is None:
            continue
        tables = [_read(root, folder, POSES[role]) for role, folder in (("database", database), ("queries", queries))]
        (first, centres), (second, asked) = tables
        return Roles(root, first, second, rule="planar", points=(centres, asked))
    return None


def _read(root: Path, folder: Path, poses: Sequence[str]) -> tuple[Records, np.ndarray]:
    photos = photos_below(folder)
    if not photos:
        raise DataError(f"{folder}: holds no photos")
    beside = [folder, *(root / name for name in poses)]
    centres = np.array([_centre(_camera(photo, folder, beside)) for photo in photos])
    rows = [{"name": photo.relative_to(root).as_posix(), "east": x, "north": y}
            for photo, (x, y, _) in zip(photos, centres.tolist(), strict=True)]  # fmt: skip
    return Records.from_rows(root, rows), centres


def _camera(photo: Path, folder: Path, beside: Sequence[Path]) -> Path:
    inside = photo.relative_to(folder)
    names = (inside.with_suffix(".camera"), inside.with_name(f"{inside.name}.camera"))
    found = next((place / name for place in beside for name in names if (place / name).is_file()), None)
    if found is None:
        raise DataError(f"{photo}: has no {names[0].name} that tells where it was taken")
    return found


def _centre(path: Path) -> tuple[float, float, float]:
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        x, y, z = (float(field) for field in lines[-2])
        if not np.isfinite([x, y, z]).all():
            raise ValueError("not finite")
    except (OSError, ValueError, IndexError) as error:
        raise DataError(f"{path}: the line before the last must be the camera centre x y z ({error})") from error
    return x, y, z


def _first(root: Path, names: Sequence[str]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


LAYOUT = Layout("baidu-mall", "Baidu Mall: photos with .camera files, database and queries in folders", read, 34)
