"""A GPS directory in a TIFF structure (what EXIF is, and TIFF files are), added without moving a byte that is there.

New directories are appended and the header is pointed to them, so that whatever refers to places in the old bytes
(maker notes, thumbnails, image strips) stays right. After TIFF 6.0 and Exif 2.3.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from vprkit.errors import DataError

GPS_POINTER = 0x8825
LONG = 4
_ENTRY = 12


@dataclass(frozen=True)
class Entry:
    """A field of a directory: `value` is its four bytes, or where its longer value begins."""

    tag: int
    kind: int
    count: int
    value: bytes


@dataclass(frozen=True)
class Field:
    """A field to be written, its value as bytes of the structure's own order."""

    tag: int
    kind: int
    count: int
    data: bytes


@dataclass(frozen=True)
class Directory:
    """Fields, and where the next directory begins (0: nowhere)."""

    entries: tuple[Entry, ...]
    following: int

    def find(self, tag: int) -> Entry | None:
        return next((entry for entry in self.entries if entry.tag == tag), None)


EMPTY = b"II*\0\x08\0\0\0\0\0\0\0\0\0"
"""A structure with one directory of no fields."""


def order_of(block: bytes) -> str:
    """`<` or `>` as `struct` wants it.

    Raises:
        DataError: it is no TIFF structure (BigTIFF is none either).
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 8:
        raise DataError("its EXIF block is no TIFF structure")
    return order


def first_directory(block: bytes) -> Directory:
    """The directory that the header points to."""
    return directory(block, _number(block, 4, order_of(block)))


def directory(block: bytes, at: int) -> Directory:
    """The directory at a place.

    Raises:
        DataError: it does not lie inside the block.
    """
    order = order_of(block)
    if not 8 <= at <= len(block) - 2:
        raise DataError("its EXIF block points beyond its end")
    (count,) = struct.unpack_from(f"{order}H", block, at)
    end = at + 2 + count * _ENTRY
    if end > len(block):
        raise DataError("its EXIF block is cut off")
    following = _number(block, end, order) if end + 4 <= len(block) else 0
    return Directory(tuple(_entry(block, start, order) for start in range(at + 2, end, _ENTRY)), following)


def _entry(block: bytes, at: int, order: str) -> Entry:
    tag, kind, count = struct.unpack_from(f"{order}HHI", block, at)
    return Entry(tag, kind, count, block[at + 8 : at + _ENTRY])


def gps_directory(block: bytes) -> Directory:
    """The GPS fields; empty where there are none."""
    pointer = first_directory(block).find(GPS_POINTER)
    if pointer is None:
        return Directory((), 0)
    return directory(block, struct.unpack(f"{order_of(block)}I", pointer.value)[0])


def with_gps(block: bytes, fields: tuple[Field, ...], stale: Callable[[Entry], bool]) -> bytes:
    """The structure with these GPS fields; other GPS fields that it has stay, but for `stale` ones.

    Raises:
        DataError: the structure is damaged, or would become too large.
    """
    order, new = order_of(block), {field.tag for field in fields}
    kept = tuple(entry for entry in gps_directory(block).entries if entry.tag not in new and not stale(entry))
    first = first_directory(block)
    grown = bytearray(block)
    gps_at = _append(grown, order, kept, fields, 0)
    pointer = Field(GPS_POINTER, LONG, 1, struct.pack(f"{order}I", gps_at))
    others = tuple(entry for entry in first.entries if entry.tag != GPS_POINTER)
    first_at = _append(grown, order, others, (pointer,), first.following)
    if len(grown) >= 2**32:
        raise DataError("the file is too large for a TIFF structure")
    struct.pack_into(f"{order}I", grown, 4, first_at)
    return bytes(grown)


def _append(grown: bytearray, order: str, entries: tuple[Entry, ...], fields: tuple[Field, ...], following: int) -> int:
    """Write the longer values and then a directory at the end; returns where the directory begins."""
    written = list(entries)
    for field in fields:
        value = field.data.ljust(4, b"\0")
        if len(field.data) > 4:
            _to_even(grown)
            value = struct.pack(f"{order}I", len(grown))
            grown += field.data
        written.append(Entry(field.tag, field.kind, field.count, value))
    _to_even(grown)
    at = len(grown)
    grown += struct.pack(f"{order}H", len(written))
    for entry in sorted(written, key=lambda entry: entry.tag):
        grown += struct.pack(f"{order}HHI", entry.tag, entry.kind, entry.count) + entry.value
    grown += struct.pack(f"{order}I", following)
    return at


def _to_even(grown: bytearray) -> None:
    if len(grown) % 2:
        grown += b"\0"


def _number(block: bytes, at: int, order: str) -> int:
    return int(struct.unpack_from(f"{order}I", block, at)[0])
