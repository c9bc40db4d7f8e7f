"""What clients may see of a map's records: facts, and small pictures made anew. No file leaves as it is."""

import threading
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from vprkit.data.decoding import decode
from vprkit.data.records import Record
from vprkit.errors import ImageError
from vprkit.report.pictures import jpeg, picture
from vprkit.retrieval.map import Map
from vprkit.retrieval.recent import Recent
from vprkit.serve.refusals import Refusal

SIZES = (96, 192, 384, 768, 1536)
"""Pixels of the longer side of a thumbnail; what is asked for is rounded up to one of these."""

UNREADABLE = "the photo of record {} cannot be read any more"


def record_of(place_map: Map, row: int) -> Record:
    """The record of a row that answers, named as in the map and with degrees.

    Raises:
        Refusal: there is no such row, or it was removed or replaced.
    """
    _check(place_map, row)
    found: Record = place_map.records[row]
    return found


def photo_path(place_map: Map, row: int) -> Path:
    """Where the photo of a row is.

    Raises:
        Refusal: the row does not answer, or the file is gone or lies outside of the folder that was described.
    """
    _check(place_map, row)
    root = Path(place_map.store.block_of(row).folder)
    path = place_map.store.path(row)
    try:
        inside = path.resolve(strict=True).is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError):
        inside = False
    if not inside:
        raise Refusal(404, f"the photo of record {row} is no longer where it was")
    return path


def photo_of(place_map: Map, row: int) -> Image.Image:
    """The photo of a row, turned as the method turns it.

    Raises:
        Refusal: as of `photo_path`, or it cannot be read.
    """
    turned = place_map.method.preprocessing.exif_orientation
    try:
        return decode(photo_path(place_map, row), exif_orientation=turned)
    except ImageError:
        raise Refusal(404, UNREADABLE.format(row)) from None


class Thumbnails:
    """Small pictures of a map's photos, the latest kept in memory.

    Args:
        room: bytes that are kept.
        sizes: that there are, ascending.
    """

    def __init__(self, room: int, sizes: Sequence[int] = SIZES) -> None:
        self.sizes = sizes
        self._kept: Recent[bytes] = Recent(room)
        self._lock = threading.Lock()

    def of(self, place_map: Map, row: int, size: int) -> bytes:
        """JPEG of a row's photo, upright, at most so large, without anything that the file says beside its pixels.

        Raises:
            Refusal: the row does not answer, or its photo cannot be read.
        """
        side = next((one for one in self.sizes if one >= size), self.sizes[-1])
        path = photo_path(place_map, row)
        # Not the row: another map may stand in the same folder tomorrow.
        key = path, _changed(path), side
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None:
            return kept
        shown = picture(path, (side, side))
        if shown is None:
            raise Refusal(404, UNREADABLE.format(row))
        shown.info = {}  # else a JPEG's comment would be written again
        made = jpeg(shown)
        with self._lock:
            self._kept.keep(key, made, len(made))
        return made


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # gone since: decoding says so
        return 0


def printable(text: str) -> str:
    """Any name as text that has an encoding."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _check(place_map: Map, row: int) -> None:
    if not 0 <= row < len(place_map.live) or not place_map.live[row]:
        raise Refusal(404, f"there is no record {row} in this map")
