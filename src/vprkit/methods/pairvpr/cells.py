"""SF-XL's panoramas in cells: from their names, from what `vpr data group` wrote, or from the authors' cache file."""

from pathlib import Path
from typing import Any

import numpy as np

from vprkit.data.folders import read_folder, records_of_names
from vprkit.data.grouped_images import GroupedImages, group_images
from vprkit.data.groups import CosPlaceGrouping, Grouped
from vprkit.data.layouts.sfxl import PANORAMAS
from vprkit.errors import DataError
from vprkit.weights.pickles import load_pickle
from vprkit.weights.sniffing import sniff


def panorama_folder(path: Path) -> Path | None:
    """The panoramas of SF-XL where `path` is its folder, or their own folder `panoramas`; else None."""
    inside = path / PANORAMAS[0]
    return inside if inside.is_dir() else path if path.name == "panoramas" else None


def open_cells(folder: Path, cells: str | None, grouping: CosPlaceGrouping) -> GroupedImages:
    """Panoramas in cells.

    Args:
        folder: of the panoramas.
        cells: a file of `vpr data group pair-vpr` (.npz) or the authors' cache (.torch); None: made from the names.
        grouping: the rule, where the names decide; the authors' cache must agree with it.

    Raises:
        DataError: the file is of other panoramas or another rule, or an image has no position.
        WeightsError: the authors' cache holds anything but data.
    """
    if cells is None:
        return group_images(read_folder(folder), grouping)
    path = Path(cells)
    if path.suffix == ".npz":
        return GroupedImages.load(path, read_folder(folder))
    return read_published_cells(path, folder, grouping)


def read_published_cells(path: Path, folder: Path, grouping: CosPlaceGrouping) -> GroupedImages:
    """The authors' `sfxl_M15_N1_mipc5.torch`: cells of every group, and the panoramas of each; replaces the listing.

    Raises:
        DataError: it is something else, or of another rule.
        WeightsError: it holds anything but data.
    """
    groups, members = _checked(load_pickle(path, sniff(path)), path)
    cells = [(cell, number) for number, group in enumerate(groups) for cell in group]
    cells.sort()
    corners = np.array([[*cell, 0] for cell, _ in cells], np.int64).reshape(-1, 3)
    names = [name for cell, _ in cells for name in members[cell]]
    labels = np.repeat(np.arange(len(cells)), [len(members[cell]) for cell, _ in cells])
    group_of_class = np.array([number for _, number in cells], np.int64)
    records = records_of_names(folder, names)
    found = grouping.group(records.east, records.north, records.heading)
    if (found.labels < 0).any() or not np.array_equal(found.classes[found.labels], corners[labels]):
        raise DataError(f"{path} holds cells of another rule than grouping.metres={grouping.metres} and min_images="
                        f"{grouping.min_images}; give the rule that its name tells, or leave cells out")  # fmt: skip
    grouped = Grouped(labels, group_of_class[labels], corners, group_of_class, len(groups))
    return GroupedImages(records, grouping, grouped)


Cell = tuple[int, int]


def _checked(content: Any, path: Path) -> tuple[list[list[Cell]], dict[Cell, list[str]]]:
    """The two parts, after a look at every value: the file is anyone's."""
    try:
        groups, members = content
        listed = [[_cell(cell) for cell in group] for group in groups]
        named = {_cell(cell): [_name(name) for name in names] for cell, names in members.items()}
        cells = [cell for group in listed for cell in group]
        if not cells or len(set(cells)) != len(cells) or not all(named.get(cell) for cell in cells):
            raise ValueError("a cell is missing, empty or listed twice")
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path} is no cache of panorama cells: wanted are lists of (east, north) and a dictionary from these to "
            f"file names ({error})"
        ) from error
    return listed, named


def _cell(value: Any) -> Cell:
    east, north = value
    if type(east) is not int or type(north) is not int or max(abs(east), abs(north)) > 10**8:
        raise ValueError(f"{str(value)[:60]} is no cell")
    return east, north


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value or value.startswith("/") or ".." in value.split("/"):
        raise ValueError(f"{str(value)[:60]!r} is no name of a panorama")
    return value
