"""A position as GPS fields of EXIF."""

import math
import struct
from dataclasses import dataclass

from vprkit.data.exif.tiff import Entry, Field, order_of
from vprkit.errors import DataError

BYTE, ASCII, RATIONAL, UNDEFINED = 1, 2, 5, 7
VERSION, LATITUDE_REF, LATITUDE, LONGITUDE_REF, LONGITUDE = 0, 1, 2, 3, 4
DATUM, PROCESS, ERROR = 18, 27, 31
STALE = (5, 6, 7, 8, 9, 10, 11, 29)
"""Altitude, time, satellites, state, dimensions and precision of a fix that is replaced: they speak of another one."""

SECONDS = 10_000
"""Parts of an arc second that are written: 3 mm."""

CENTIMETRES = 100


@dataclass(frozen=True)
class Fix:
    """A position that was worked out.

    Attributes:
        latitude, longitude: degrees, WGS-84.
        error_m: how far off it may be, metres; None where nothing says.
        process: how it was found.
    """

    latitude: float
    longitude: float
    error_m: float | None = None
    process: str = "vprkit visual place recognition"

    def __post_init__(self) -> None:
        if not (abs(self.latitude) <= 90 and abs(self.longitude) <= 180):
            raise DataError(f"{self.latitude}, {self.longitude} is no position in degrees")


def fields_of(fix: Fix, block: bytes) -> tuple[Field, ...]:
    """The fix as fields in the byte order of the block they are for."""
    order = order_of(block)
    north, east = ("N" if fix.latitude >= 0 else "S"), ("E" if fix.longitude >= 0 else "W")
    process = b"ASCII\0\0\0" + fix.process.encode("ascii", "replace")
    fields = [
        Field(VERSION, BYTE, 4, bytes((2, 3, 0, 0))),
        Field(LATITUDE_REF, ASCII, 2, f"{north}\0".encode()),
        Field(LATITUDE, RATIONAL, 3, _degrees(abs(fix.latitude), order)),
        Field(LONGITUDE_REF, ASCII, 2, f"{east}\0".encode()),
        Field(LONGITUDE, RATIONAL, 3, _degrees(abs(fix.longitude), order)),
        Field(DATUM, ASCII, 7, b"WGS-84\0"),
        Field(PROCESS, UNDEFINED, len(process), process),
    ]
    if fix.error_m is not None and math.isfinite(fix.error_m):
        metres = min(round(fix.error_m * CENTIMETRES), 2**32 - 1)
        fields.append(Field(ERROR, RATIONAL, 1, struct.pack(f"{order}II", metres, CENTIMETRES)))
    return tuple(fields)


def is_stale(entry: Entry, fix: Fix) -> bool:
    """Whether a field of an earlier fix must go when another is written."""
    return entry.tag in STALE or (entry.tag == ERROR and fix.error_m is None)


def _degrees(value: float, order: str) -> bytes:
    """Degrees, minutes and seconds; rounded as a whole, so that there are never 60 seconds."""
    parts = round(value * 3600 * SECONDS)
    minutes, seconds = divmod(parts, 60 * SECONDS)
    degrees, minutes = divmod(minutes, 60)
    return struct.pack(f"{order}IIIIII", degrees, 1, minutes, 1, seconds, SECONDS)
