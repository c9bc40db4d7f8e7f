"""SF-XL (Berton et al., CVPR 2022): `processed` or `small` with val and test, `raw` or `processed` with train.

Names are `@` names of zone 10S. Field 9 of a panorama is the direction of its centre, of a crop that of its leftmost
column, as compass degrees: the set's documentation says 90 is west, but the published crop formula
(`vprkit.data.groups.crop_towards`) finds its focal point only where 90 is east, so that is what headings mean here.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vprkit.config import nearest
from vprkit.data.folders import read_folder
from vprkit.data.groups import CosPlaceGrouping
from vprkit.data.layouts.folder_pair import pair_in
from vprkit.data.layouts.layout import Layout, Request, Roles
from vprkit.data.layouts.place_layout import PlaceLayout, PlaceTable
from vprkit.errors import ConfigError

SIZES = ("processed", "small")
CROPS = ("processed/train", "small/train", "raw/train/database")
PANORAMAS = ("raw/train/panoramas",)


def read(request: Request) -> Roles | None:
    if not any((request.path / size).is_dir() for size in (*SIZES, "raw")):
        return None
    if request.variant is not None and request.variant not in SIZES:
        hint = nearest(request.variant, SIZES)
        raise ConfigError(
            f"{request.path}: SF-XL has no variant '{request.variant}'{hint}; there are processed and small"
        )
    chosen = SIZES if request.variant is None else (request.variant,)
    for size in chosen:
        folder = request.path / size / request.split
        if folder.is_dir() and (roles := pair_in(folder, request)) is not None:
            return roles
    return None


def read_places(path: Path, groups: Sequence[str] | None) -> PlaceTable | None:
    """Images of the training split with CosPlace's classes as labels and its groups as groups."""
    folder = next((path / name for name in (*CROPS, *PANORAMAS) if (path / name).is_dir()), None)
    if folder is None:
        return None
    records = read_folder(folder, path)
    grouped = CosPlaceGrouping().group(records.east, records.north, records.heading)
    wanted = _wanted(groups, grouped.groups)
    rows = np.flatnonzero((grouped.labels >= 0) & np.isin(grouped.group_of_image, wanted))
    recency = np.zeros(len(records), np.int64)
    if "time" in records.texts:
        recency, _ = records.texts["time"].codes()
    return PlaceTable(records.take(rows), grouped.labels[rows], grouped.group_of_image[rows], recency[rows])


def _wanted(groups: Sequence[str] | None, count: int) -> np.ndarray:
    """Group numbers asked for by text."""
    if groups is None:
        return np.arange(count)
    bad = next((group for group in groups if not (group.isascii() and group.isdigit() and int(group) < count)), None)
    if bad is not None:
        raise ConfigError(f"SF-XL: there is no group '{bad}'; there are 0 to {count - 1}")
    return np.array([int(group) for group in groups])


LAYOUT = Layout("sf-xl", "SF-XL: processed/ or small/ with {val,test}/{database,queries*}", read, 30)
PLACES = PlaceLayout("sf-xl", "SF-XL: processed/train, small/train or raw/train, classes of CosPlace", read_places)
