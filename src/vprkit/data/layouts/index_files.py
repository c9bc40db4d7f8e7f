"""Index files: `*_dbImages.npy`, `*_qImages.npy` (and `*_qIdx.npy`) with `*_pIdx.npy` or `*_gt.npy`; Patch-NetVLAD's
two text lists with an `.npz` of positions. The images lie in the same folder or in the one given as `images`."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vprkit.config import nearest
from vprkit.data.arrays import read_npy, read_npz
from vprkit.data.folders import records_of_names
from vprkit.data.ground_truth import GroundTruth
from vprkit.data.index_lists import names_of, positives_of, rebased
from vprkit.data.layouts.layout import Layout, Request, Roles
from vprkit.data.msls import areas_of_names, city_prefixes
from vprkit.data.positives import Positives, within_radius
from vprkit.errors import ConfigError, DataError
from vprkit.files import unread

_DATABASE = re.compile(r"(?P<prefix>.*?)_?(?:dbImages|db_images|database)\.npy", re.IGNORECASE)
_SPLIT = re.compile(r"(?:^|_)(train|val|test)(?:_|$)")


def read(request: Request) -> Roles | None:
    return _triplet(request) or _patch_netvlad(request)


def _triplet(request: Request) -> Roles | None:
    sets = {match["prefix"]: path for path in sorted(request.path.glob("*.npy"))
            if (match := _DATABASE.fullmatch(path.name)) and _beside(path, match["prefix"], "qImages")}  # fmt: skip
    if not sets:
        return None
    prefix = _chosen(request, list(sets))
    listed, asked = sets[prefix], _beside(sets[prefix], prefix, "qImages")
    assert asked is not None
    root = request.images or request.path
    names = rebased(names_of(read_npy(listed), listed.name), root, str(listed))
    queries = rebased(names_of(read_npy(asked), asked.name), root, str(asked))
    chosen = _beside(listed, prefix, "qIdx")
    if chosen is not None:
        queries = _picked(queries, np.asarray(read_npy(chosen)), chosen)
    if not names or not queries:
        raise DataError(f"{listed if not names else asked}: lists no image")
    truth = _truth(listed, prefix, len(queries), len(names))
    tables = records_of_names(root, names), records_of_names(root, queries)
    of_split = request.split in _SPLIT.findall(prefix)
    return Roles(request.path, *tables, truth=truth, of_split=of_split, **_of_cities(request, names, queries))


def _of_cities(request: Request, names: Sequence[str], queries: Sequence[str]) -> dict[str, Any]:
    """Cities, where the names are those of Mapillary SLS; the challenge's search stays inside them."""
    areas = areas_of_names(names, queries)
    if areas is None:
        return {}
    if request.cities is not None or request.subtask != "all":
        raise ConfigError(
            f"{request.path}: index files list one selection, so cities and subtasks cannot be chosen; point at "
            "Mapillary SLS as unpacked"
        )
    challenge = request.split == "test"
    return {"areas": areas, "search_inside": challenge, "text_prefixes": city_prefixes(areas) if challenge else None}


def _chosen(request: Request, prefixes: Sequence[str]) -> str:
    if request.variant is not None:
        if request.variant not in prefixes:
            hint = nearest(request.variant, prefixes)
            raise ConfigError(f"{request.path}: there are no index files '{request.variant}'{hint}")
        return request.variant
    of_split = [prefix for prefix in prefixes if request.split in _SPLIT.findall(prefix)]
    fitting = of_split or [prefix for prefix in prefixes if not _SPLIT.search(prefix)] or list(prefixes)
    if len(fitting) > 1:
        raise ConfigError(f"{request.path}: holds several index files; give one as variant: {', '.join(fitting)}")
    return fitting[0]


def _beside(path: Path, prefix: str, part: str) -> Path | None:
    names = {f"{prefix}_{part}.npy".lstrip("_").lower(), f"{prefix}{part}.npy".lower()}
    return next((other for other in sorted(path.parent.glob("*.npy")) if other.name.lower() in names), None)


def _picked(queries: Sequence[str], numbers: np.ndarray, path: Path) -> list[str]:
    if numbers.dtype.kind not in "iu" or numbers.ndim != 1:
        raise DataError(f"{path}: whole numbers are needed, found {numbers.dtype} {numbers.shape}")
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(queries):
        raise DataError(f"{path}: names query {int(numbers.max())}, but only {len(queries)} are listed")
    return [queries[int(number)] for number in numbers]


def _truth(listed: Path, prefix: str, queries: int, database: int) -> GroundTruth | None:
    for part in ("pIdx", "gt", "gt_25m"):
        path = _beside(listed, prefix, part)
        if path is not None:
            positives, notices = positives_of(read_npy(path), queries, database, str(path))
            return GroundTruth(positives, f"listed in {path.name}", notices)
    return None


def _patch_netvlad(request: Request) -> Roles | None:
    for path in sorted(request.path.glob("*.npz")):
        lists = {role: _text_list(path.parent, words) for role, words in _LISTS.items()}
        if lists["database"] is None or lists["queries"] is None:
            continue
        arrays = read_npz(path)
        if "utmQ" in arrays and "utmDb" in arrays:
            return _positioned(request, path, arrays, lists["database"], lists["queries"])
    return None


_LISTS = {"database": ("_index", "_database", "_db", "_ref"), "queries": ("_query", "_queries", "_q")}


def _text_list(folder: Path, words: Sequence[str]) -> Path | None:
    return next((path for path in sorted(folder.glob("*.txt")) if path.stem.lower().endswith(tuple(words))), None)


def _positioned(request: Request, path: Path, arrays: dict[str, np.ndarray], database: Path, queries: Path) -> Roles:
    root = request.images or request.path
    names = {role: rebased(_lines(listed), root, str(listed)) for role, listed in (("d", database), ("q", queries))}
    points = {"d": np.asarray(arrays["utmDb"]), "q": np.asarray(arrays["utmQ"])}
    for role, listed in (("d", database), ("q", queries)):
        if points[role].shape != (len(names[role]), 2) or points[role].dtype.kind not in "iuf":
            shape = points[role].shape
            raise DataError(f"{path}: positions of shape {shape} for the {len(names[role])} images of {listed.name}")
    radius = np.asarray(arrays.get("posDistThr", 25.0))
    if radius.size != 1 or radius.dtype.kind not in "iuf" or not radius.ravel()[0] > 0:
        raise DataError(f"{path}: posDistThr is no distance")
    reach = float(radius.ravel()[0])
    found: Positives = within_radius(points["d"].astype(np.float64), points["q"].astype(np.float64), reach)
    rule = f"within {reach:g} of the positions in {path.name}"
    return Roles(request.path, records_of_names(root, names["d"]), records_of_names(root, names["q"]),
                 truth=GroundTruth(found, rule, _diagonal(points, reach)))  # fmt: skip


def _diagonal(points: dict[str, np.ndarray], reach: float) -> tuple[str, ...]:
    """Frame numbers written as points (n, n) lie further apart than their numbers."""
    if not all(len(each) and (each[:, 0] == each[:, 1]).all() for each in points.values()):
        return ()
    window = int(reach / 2**0.5)
    return (f"the positions are frame numbers (n, n): a radius of {reach:g} accepts +-{window} frames, not {reach:g}",)


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(unread(path, error, "cannot be read as a list of paths")) from error


LAYOUT = Layout(
    "index-files",
    "index files *_dbImages.npy, *_qImages.npy and *_gt.npy, or two lists and an .npz",
    read,
    25,
    chooses=False,
)
