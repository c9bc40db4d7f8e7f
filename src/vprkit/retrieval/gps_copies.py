"""Copies of located photos that say in their EXIF where they were taken; the originals are only read."""

import contextlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vprkit.data.decoding import read_file
from vprkit.data.exif import Fix, with_position
from vprkit.data.layouts.exif import read_gps
from vprkit.errors import ConfigError, DataError, VprError
from vprkit.files import write_atomically
from vprkit.retrieval.location import Location


@dataclass(frozen=True)
class Copies:
    """What became of the photos.

    Attributes:
        written: (photo, copy) pairs.
        left_out: (photo, why) of those without a copy.
    """

    written: tuple[tuple[Path, Path], ...]
    left_out: tuple[tuple[Path, str], ...]


def write_gps_copies(
    located: Sequence[Location],
    folder: str | Path,
    roots: Sequence[Path] = (),
    *,
    overwrite_gps: bool = False,
    overwrite: bool = False,
) -> Copies:
    """Copy photos into a folder, with the position that was estimated for them.

    Latitude, longitude, datum, the spread of the hits as the error, and how it was found are written; pixels and all
    other metadata stay as they are. Photos that were rejected, have no estimate, or say themselves where they were
    taken are left out.

    Args:
        located: answers of a map; `query` is the photo's path.
        folder: gets the copies, under the photos' names below their root; two of one name are numbered.
        roots: folders that the photos came from.
        overwrite_gps: also replace a position that a photo has.
        overwrite: replace earlier copies.

    Raises:
        ConfigError: `folder` holds one of the photos, or leads out of itself.
        VprError: a copy cannot be written.
    """
    folder = Path(folder)
    originals = {Path(location.query).resolve() for location in located}
    written: list[tuple[Path, Path]] = []
    left: list[tuple[Path, str]] = []
    taken: set[Path] = set()
    for location in located:
        photo = Path(location.query)
        why = _why_not(location, photo, overwrite_gps)
        if why is not None:
            left.append((photo, why))
            continue
        copy = _free(folder / _name(photo, roots), taken)
        _check(folder, copy, originals, overwrite)
        try:
            write_atomically(copy, with_position(read_file(photo), _fix(location)))
        except DataError as error:
            left.append((photo, str(error)))
            continue
        taken.add(copy)
        with contextlib.suppress(OSError):  # a file system that keeps no such times or rights
            shutil.copystat(photo, copy)
        written.append((photo, copy))
    return Copies(tuple(written), tuple(left))


def _why_not(location: Location, photo: Path, overwrite_gps: bool) -> str | None:
    if location.error is not None:
        return location.error
    if location.known is False:
        return "not known: its confidence is too low"
    if location.estimate is None:
        return "none of its hits has a position"
    if not overwrite_gps and "latitude" in read_gps(photo):
        return "it has a GPS position already"
    return None


def _fix(location: Location) -> Fix:
    """One view has no spread, and says nothing of its error."""
    guess = location.estimate
    assert guess is not None, "the caller has looked"
    return Fix(guess.latitude, guess.longitude, guess.spread_m if guess.hits > 1 else None)


def _name(photo: Path, roots: Sequence[Path]) -> Path:
    """The photo's path below the root it came from, else its bare name."""
    root = next((root for root in roots if photo.is_relative_to(root)), None)
    below = Path(photo.name) if root is None or photo == root else photo.relative_to(root)
    return Path(photo.name) if ".." in below.parts else below


def _free(wanted: Path, taken: set[Path]) -> Path:
    """The name, with a number where another copy of this run has it."""
    number, free = 2, wanted
    while free in taken:
        free, number = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}"), number + 1
    return free


def _check(folder: Path, copy: Path, originals: set[Path], overwrite: bool) -> None:
    """Refuse to write over a photo, outside the folder, or over what is there."""
    where = copy.resolve()
    if where in originals:
        raise ConfigError(f"{copy} is one of the photos; choose another folder for the copies")
    if not where.is_relative_to(folder.resolve()):
        raise ConfigError(f"{copy} leads out of {folder}; choose an empty folder for the copies")
    if copy.exists() and not overwrite:
        raise VprError(f"{copy} exists already; choose another folder or pass --overwrite")
