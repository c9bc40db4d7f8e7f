"""Records of a folder of photos, whatever tells their positions: `@` names, EXIF blocks, or nothing."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from vprkit.data.images import is_image_name
from vprkit.data.layouts import at, exif
from vprkit.data.records import Records, checked_name
from vprkit.errors import DataError

FOREIGN = frozenset({".heic", ".heif", ".avif", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf"})
"""Photo formats that we do not read but should not pass over in silence."""


def read_folder(folder: Path, root: Path | None = None) -> Records:
    """All photos below `folder`, sorted byte-wise by name relative to `root` (default: the folder).

    A `<folder>_images_paths.txt` beside the folder, one relative path per line, replaces the walk. Positions come from
    `@` names where the folder has such, else from EXIF.

    Raises:
        DataError: no such folder, or no photos in it.
    """
    root = root or folder
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder")
    prefix = "" if folder == root else folder.relative_to(root).as_posix() + "/"
    listed = folder.parent / f"{folder.name}_images_paths.txt"
    names = _read_list(listed, folder) if listed.is_file() else _walk(folder)
    ordered = sorted((prefix + name for name in names), key=os.fsencode)
    if not ordered:
        raise DataError(f"{folder}: holds no photos (looked for .jpg, .png, .webp, ... in it and its subfolders)")
    records = _from_at_names(root, ordered) or _from_exif(root, ordered)
    return records if listed.is_file() else records.with_notice(*_unreadable_formats(folder))


def records_of_names(root: Path, names: list[str]) -> Records:
    """Records of listed images in their order, positions from `@` names where they have such; nothing is opened."""
    return _from_at_names(root, names) or Records.from_rows(root, [{"name": name} for name in names])


def photos_below(folder: Path) -> list[Path]:
    """Paths of all photos in a folder and its subfolders, sorted byte-wise."""
    return [folder / name for name in sorted(_walk(folder), key=os.fsencode)]


def _walk(folder: Path) -> Iterator[str]:
    visited: set[tuple[int, int]] = set()
    for parent, subfolders, files in os.walk(folder, followlinks=True):
        status = Path(parent).stat()
        if (status.st_dev, status.st_ino) in visited:  # a symbolic link back up, or a second one to the same folder
            subfolders[:] = []
            continue
        visited.add((status.st_dev, status.st_ino))
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        inside = Path(parent).relative_to(folder)
        yield from ((inside / name).as_posix() for name in files if is_image_name(name) and not name.startswith("."))


def _unreadable_formats(folder: Path) -> list[str]:
    """What to say about photos of formats that are not read (an iPhone's, a camera's raw files)."""
    counts = Counter(path.suffix.lower() for path in folder.rglob("*") if path.suffix.lower() in FOREIGN)
    return [f"{count} {suffix} file{'s' * (count > 1)} cannot be read; convert them to JPEG"
            for suffix, count in sorted(counts.items())]  # fmt: skip


def _read_list(listed: Path, folder: Path) -> list[str]:
    try:
        lines = (line.strip() for line in listed.read_text(encoding="utf-8").splitlines())
        names = [checked_name(line) for line in lines if line]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{listed}: cannot be read as a list of paths ({error})") from error
    # Some lists are relative to the folder, some to its parent.
    if names and not (folder / names[0]).is_file() and (folder.parent / names[0]).is_file():
        names = [name.removeprefix(folder.name + "/") for name in names]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{listed}: {len(missing)} of {len(names)} listed files do not exist in {folder}, "
            f"such as {', '.join(missing[:3])}"
        )
    return names


def _from_at_names(root: Path, names: list[str]) -> Records | None:
    """None where no name is an `@` name."""
    parsed = [at.parse_name(name) for name in names]
    unreadable = [name for name, fields in zip(names, parsed, strict=True) if fields is None]
    if len(unreadable) == len(names):
        return None
    notices = []
    if unreadable:
        notices.append(f"{len(unreadable)} of {len(names)} names have no readable position, such as '{unreadable[0]}'")
    zones = [name for name, fields in zip(names, parsed, strict=True) if fields is not None and fields.zone_unreadable]
    if zones:
        notices.append(
            f"{len(zones)} of {len(names)} names have an unreadable UTM zone, such as '{zones[0]}'; "
            "their distances are planar"
        )
    rows = [{"name": name} if fields is None else fields.row(name) for name, fields in zip(names, parsed, strict=True)]
    return Records.from_rows(root, rows, notices)


def _from_exif(root: Path, names: list[str]) -> Records:
    found = exif.read_gps_of([root / name for name in names])
    return Records.from_rows(root, [{"name": name, **row} for name, row in zip(names, found, strict=True)])
