"""The `@` naming convention: position, heading, time and note in the file name, separated by `@`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from vprkit.data import geo
from vprkit.data.records import Record
from vprkit.errors import DataError

FULL = 15
"""Fields of a full name before the extension, counting the empty one in front."""

CONDITIONS = frozenset(
    [
        "day",
        "night",
        "dusk",
        "sunset",
        "dawn",
        "rain",
        "rainy",
        "snow",
        "snowy",
        "sun",
        "sunny",
        "overcast",
        "cloudy",
        "fog",
        "foggy",
        "summer",
        "winter",
        "spring",
        "autumn",
        "blur",
    ]
)

_TIME = re.compile(r"\d{4}(\d{2}(\d{2}(_\d{2}(\d{2}(\d{2})?)?)?)?)?")


@dataclass(frozen=True, slots=True)
class AtName:
    """What an `@` name says; None (or 0 for the zone) where it says nothing."""

    east: float
    north: float
    zone: int = 0
    south: bool = False
    zone_unreadable: bool = False
    latitude: float | None = None
    longitude: float | None = None
    heading: float | None = None
    time: str | None = None
    note: str | None = None

    def row(self, name: str) -> Mapping[str, Any]:
        """A row for `Records.from_rows`."""
        return {
            "name": name, "east": self.east, "north": self.north, "zone": self.zone, "south": self.south,
            "latitude": self.latitude, "longitude": self.longitude, "heading": self.heading, "time": self.time,
            "condition": condition_of(self.note),
        }  # fmt: skip


def parse_name(path: str) -> AtName | None:
    """Read a file name (folders are ignored, they may hold `@`); None where east and north are not both numbers.

    Full names have 14 fields and an extension; shorter ones have at least east and north, then a zone (one or two
    digits), its letter and a time where they look like these.
    """
    fields = PurePosixPath(path).name.split("@")
    if len(fields) < 4 or fields[0]:
        return None
    east, north = _float(fields[1]), _float(fields[2])
    if east is None or north is None:
        return None
    if len(fields) <= FULL:
        return _short(east, north, fields[3:-1])
    zone, south, unreadable = _zone(fields[3], fields[4])
    latitude, longitude = _float(fields[5]), _float(fields[6])
    return AtName(
        east,
        north,
        zone,
        south,
        unreadable,
        latitude,
        longitude,
        _float(fields[9]),
        fields[13] or None,
        fields[14] or None,
    )


def format_name(
    record: Record, image: str, tile: str = "", note: str = "", time: str | None = None, suffix: str = ".jpg"
) -> str:
    """The full `@` name of a record, all fields in their published widths.

    Args:
        record: its position, with latitude and longitude where they are known, heading and time.
        image, tile, note: fields 7, 8 and 14, without `@`.
        time: field 13 (default: the record's, without separators).
        suffix: extension with its dot.

    Raises:
        DataError: a field holds `@`, or there is no position.
    """
    if record.east is None or record.north is None:
        raise DataError(f"'{record.name}' has no position, which an @ name needs")
    when = _plain_time(record.time) if time is None else time
    fields = [
        "", f"{record.east:010.2f}", f"{record.north:010.2f}",
        f"{record.zone:02d}" if record.zone else "", _band(record),
        "" if record.latitude is None else f"{record.latitude:09.5f}",
        "" if record.longitude is None else f"{record.longitude:010.5f}",
        image, tile, "" if record.heading is None else f"{int(record.heading) % 360:03d}", "", "", "", when, note,
        suffix,
    ]  # fmt: skip
    return _joined(fields, record.name)


def format_mock_name(north: str, image: str, note: str = "", suffix: str = ".jpg") -> str:
    """The `@` name of an image without a position: east 0 and a mock north, no zone and no degrees.

    Args:
        north: metres along a line, as they are printed.
        image, note: fields 7 and 14, without `@`.
        suffix: extension with its dot.

    Raises:
        DataError: a field holds `@` or `/`.
    """
    fields = ["", "0", north, "", "", "", "", image, "", "", "", "", "", "", note, suffix]
    return _joined(fields, image)


def _joined(fields: list[str], name: str) -> str:
    if any("@" in field or "/" in field for field in fields):
        raise DataError(f"'{name}': its id, tile, time or note holds '@' or '/', which separate @ names")
    return "@".join(fields)


def _band(record: Record) -> str:
    """The letter of the latitude band; from the hemisphere alone the first one of it."""
    if not record.zone:
        return ""
    if record.latitude is None:
        return "M" if record.south else "N"
    return geo.BANDS[int(min(max(record.latitude + 80, 0), 159.99) // 8)]


def _plain_time(time: str | None) -> str:
    """A time as `YYYYMMDD_hhmmss` or a prefix of it; empty where it is written in a way that is not understood."""
    digits = re.sub(r"\D", "", time or "")[:14]
    plain = digits[:8] + (f"_{digits[8:]}" if len(digits) > 8 else "")
    return plain if _TIME.fullmatch(plain) else ""


def condition_of(note: str | None) -> str | None:
    """The first part of a note that names a condition (`night_forward_cph` -> `night`)."""
    parts = (note or "").lower().split("_")
    return next((part for part in parts if part in CONDITIONS), None)


def _short(east: float, north: float, rest: list[str]) -> AtName:
    time = next((field for field in rest if _TIME.fullmatch(field)), None)
    if not rest or not rest[0] or rest[0] == time:
        return AtName(east, north, time=time)
    zone, south, unreadable = _zone(rest[0], rest[1] if len(rest) > 1 else "")
    return AtName(east, north, zone, south, unreadable, time=time)


def _zone(number: str, letter: str) -> tuple[int, bool, bool]:
    """(zone, south, unreadable); a zone of 0 that is not unreadable was left empty."""
    if not number and not letter:
        return 0, False, False
    if number.isascii() and number.isdigit() and 1 <= int(number) <= 60:
        return int(number), bool(letter) and geo.band_is_south(letter[0]), False
    return 0, False, True


def _float(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value == value and abs(value) != float("inf") else None
