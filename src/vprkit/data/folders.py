"""Records of a folder of photos, whatever tells their positions: `@` names, EXIF blocks, or nothing."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from vprkit.data.columns import StringColumn
from vprkit.data.decoding import is_image_name
from vprkit.data.layouts import at_columns, exif
from vprkit.data.path_lists import COLUMNS, TEXTS, list_names, read_list, records_of_columns
from vprkit.data.records import Records
from vprkit.errors import DataError

FOREIGN = frozenset({
    ".heic", ".heif", ".hif", ".avif", ".jxl", ".jp2", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2",
})  # fmt: skip
"""Photo formats that we do not read but should not pass over in silence: an iPhone's, new ones, cameras' raw files."""

NAMED = 3
"""Files that a notice names."""


def read_folder(folder: Path, root: Path | None = None) -> Records:
    """All photos below `folder`, sorted byte-wise by name relative to `root` (default: the folder).

    A `<folder>_images_paths.txt` beside the folder, one relative path per line, replaces the walk; its order is kept.
    Positions come from `@` names where the folder has such, else from EXIF.

    Raises:
        DataError: no such folder, or no photos in it.
    """
    root = root or folder
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder")
    listed = folder.parent / f"{folder.name}_images_paths.txt"
    if listed.is_file():
        return read_list(listed, folder, root) or _from_exif(root, _listed_names(listed, folder, root))
    prefix = "" if folder == root else folder.relative_to(root).as_posix() + "/"
    ordered = sorted((prefix + name for name in _walk(folder)), key=os.fsencode)
    if not ordered:
        raise DataError(_no_photos(folder))
    records = _from_at_names(root, ordered) or _from_exif(root, ordered)
    return records.with_notice(*foreign_photos(folder))


def records_of_names(root: Path, names: list[str]) -> Records:
    """Records of listed images in their order, positions from `@` names where they have such; nothing is opened."""
    found = _from_at_names(root, names) if names else None
    return found or Records.from_rows(root, [{"name": name} for name in names])


def photos_below(folder: Path) -> list[Path]:
    """Paths of all photos in a folder and its subfolders, sorted byte-wise."""
    return [folder / name for name in sorted(_walk(folder), key=os.fsencode)]


def some_photos_below(folder: Path) -> list[Path]:
    """`photos_below` for a folder that must hold photos.

    Raises:
        DataError: it holds none.
    """
    found = photos_below(folder)
    if not found:
        raise DataError(_no_photos(folder))
    return found


def foreign_photos(folder: Path) -> list[str]:
    """What to say about photos of kinds that are not read, as no sentence or one."""
    names = sorted(_walk(folder, _is_foreign), key=os.fsencode)
    if not names:
        return []
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    files, them = ("file", "it") if len(names) == 1 else ("files", "them")
    return [f"{len(names)} {files} of a kind that is not read: {', '.join(names[:NAMED])}{more}; convert {them} to "
            "JPEG first"]  # fmt: skip


def _no_photos(folder: Path) -> str:
    looked = f"{folder}: holds no photos (looked for .jpg, .png, .webp, ... in it and its subfolders)"
    return "; ".join([looked, *foreign_photos(folder)])


def _is_foreign(name: str) -> bool:
    return Path(name).suffix.lower() in FOREIGN


def _walk(folder: Path, wanted: Callable[[str], bool] = is_image_name) -> Iterator[str]:
    """Names, relative to the folder, of the files in it and its subfolders that are wanted."""
    visited: set[tuple[int, int]] = set()
    for parent, subfolders, files in os.walk(folder, followlinks=True):
        status = Path(parent).stat()
        if (status.st_dev, status.st_ino) in visited:  # a symbolic link back up, or a second one to the same folder
            subfolders[:] = []
            continue
        visited.add((status.st_dev, status.st_ino))
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        inside = Path(parent).relative_to(folder)
        yield from ((inside / name).as_posix() for name in files if wanted(name) and not name.startswith("."))


def _listed_names(listed: Path, folder: Path, root: Path) -> list[str]:
    """The names of a list without positions."""
    return list(list_names(listed, folder, root))


def _from_at_names(root: Path, names: list[str]) -> Records | None:
    """None where no name is an `@` name."""
    column = StringColumn.of(names)
    pieces = list(at_columns.blocks(column))
    columns = {name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in COLUMNS}
    texts = {name: StringColumn.joined([getattr(piece, name) for piece in pieces]) for name in TEXTS}
    return records_of_columns(root, column, columns, texts)


def _from_exif(root: Path, names: list[str]) -> Records:
    found = exif.read_gps_of([root / name for name in names])
    return Records.from_rows(root, [{"name": name, **row} for name, row in zip(names, found, strict=True)])
