"""Records from a CSV file: `path`, `lat,lon` or `east,north[,zone]`; heading, time, condition, place, text optional."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vprkit.data import geo
from vprkit.data.records import Records, checked_name
from vprkit.errors import DataError
from vprkit.files import unread

ALIASES = {
    "path": "name", "image": "name", "image_path": "name", "file": "name",
    "lat": "latitude", "latitude": "latitude", "lon": "longitude", "lng": "longitude", "longitude": "longitude",
    "east": "east", "easting": "east", "utm_east": "east", "north": "north", "northing": "north", "utm_north": "north",
    "zone": "zone", "utm_zone": "zone", "heading": "heading", "time": "time", "timestamp": "time",
    "condition": "condition", "place": "place", "place_id": "place", "text": "text", "description": "text",
}  # fmt: skip
"""Column names that are understood (lower case) -> field of a record; other columns are left alone."""


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, row) of a UTF-8 CSV file with a header.

    Raises:
        DataError: unreadable, not UTF-8, empty, or a row of another length than the header; the line is named.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, skipinitialspace=True)
            header = [name.strip() for name in next(reader, [])]
            if len(header) == 1 and ";" in header[0]:
                raise DataError(f"{path}: the columns are separated by ';'; save the file with commas")
            if not header:
                raise DataError(f"{path}: the file is empty; the first line must name the columns")
            for fields in reader:
                if not fields:
                    continue
                if len(fields) != len(header):
                    raise DataError(
                        f"{path}, line {reader.line_num}: {len(fields)} fields where the header names "
                        f"{len(header)}; put texts with commas in double quotes"
                    )
                yield reader.line_num, dict(zip(header, fields, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(unread(path, error, "cannot be read as UTF-8 CSV")) from error


def read_records(path: Path, root: Path | None = None) -> Records:
    """Records of a CSV file in its own order; names are relative to `root` (default: the file's folder).

    Raises:
        DataError: no column for the path, a value that is no number, a repeated or escaping path; the line is named.
    """
    root = root or path.parent
    rows: list[dict[str, Any]] = []
    lines: dict[str, int] = {}
    for line, raw in read_rows(path):
        row = _fields(raw, path, line, root)
        if row["name"] in lines:
            raise DataError(f"{path}, line {line}: '{row['name']}' was already on line {lines[row['name']]}")
        lines[row["name"]] = line
        rows.append(row)
    if not rows:
        raise DataError(f"{path}: has a header but no rows")
    unplaced = sum(1 for row in rows if row.get("latitude") is None and row.get("east") is None)
    have = "has" if unplaced == 1 else "have"
    notices = [f"{path.name}: {unplaced} of {len(rows)} rows {have} no position"] if unplaced else []
    bare = sum(1 for row in rows if not row.pop("banded", True))
    if bare:
        notices.append(f"{path.name}: {bare} of {len(rows)} rows have a UTM zone without its latitude band and count "
                       "as northern; write it behind the number (56J)")  # fmt: skip
    return Records.from_rows(root, rows, notices)


def _fields(raw: Mapping[str, str], path: Path, line: int, root: Path) -> dict[str, Any]:
    row: dict[str, Any] = {}
    told_by: dict[str, str] = {}
    for column, text in raw.items():
        field = ALIASES.get(column.lower())
        if field is not None and field in told_by:
            raise DataError(f"{path}: the columns '{told_by[field]}' and '{column}' both give the {field}; keep one")
        if field is not None:
            told_by[field] = column
        if field is not None and text.strip():
            row[field] = _read(field, text.strip(), f"{path}, line {line}, column {column}")
    if "name" not in row:
        raise DataError(f"{path}, line {line}: no path; a column named 'path' is needed, there are {', '.join(raw)}")
    row["name"] = row["name"].strip()
    if Path(row["name"]).is_absolute():
        try:
            row["name"] = Path(row["name"]).relative_to(root.absolute()).as_posix()
        except ValueError:
            raise DataError(
                f"{path}, line {line}: '{row['name']}' lies outside {root.absolute()}; "
                "give the folder that holds the images as root"
            ) from None
    row["name"] = checked_name(row["name"])
    for one, other in (("latitude", "longitude"), ("east", "north")):
        if (one in row) != (other in row):
            raise DataError(f"{path}, line {line}: {one} and {other} must be given together")
    zone = row.pop("zone", None)
    if zone is not None:
        row["zone"], row["south"], row["banded"] = zone
    return row


def _read(field: str, text: str, where: str) -> Any:
    if field == "zone":
        return _zone(text, where)
    if field in ("latitude", "longitude", "east", "north", "heading"):
        try:
            number = float(text)
        except ValueError:
            raise DataError(f"{where}: '{text}' is no number") from None
        limit = {"latitude": 90.0, "longitude": 360.0}.get(field, float("inf"))
        if not abs(number) <= limit or abs(number) == float("inf"):
            raise DataError(f"{where}: {text} is out of range")
        return number
    return text


def _zone(text: str, where: str) -> tuple[int, bool, bool]:
    """Number, southern side, and whether a latitude band tells that."""
    digits, letter = text.rstrip("CDEFGHJKLMNPQRSTUVWXcdefghjklmnpqrstuvwx "), text[-1:]
    if not (digits.isascii() and digits.isdigit()) or not 1 <= int(digits) <= 60:
        raise DataError(f"{where}: '{text}' is no UTM zone; write 1 to 60 with the latitude band, such as 32T")
    return int(digits), letter.isalpha() and geo.band_is_south(letter), letter.isalpha()
