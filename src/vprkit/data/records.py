"""Records: images with what is known of each, held as columns so that millions fit in memory."""

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from vprkit.data import geo
from vprkit.data.columns import StringColumn
from vprkit.errors import DataError

TEXT_COLUMNS = ("time", "condition", "place", "text")
"""Optional string columns; an empty string means unknown."""

NAMING_COLUMNS = ("id", "tile", "note", "mock_north")
"""String columns that a layout may add for `@` names made from its records; no part of a `Record`, never stored."""


@dataclass(frozen=True, slots=True)
class Record:
    """One image.

    Attributes:
        name: path relative to the data set's root, with `/`.
        path: where the file is.
        east, north: UTM metres, or None.
        zone: UTM zone number, or None; `south` tells the hemisphere.
        latitude, longitude: degrees, or None.
        heading: degrees, as the data set defines them, or None.
        time, condition, place, text: as written, or None.
    """

    name: str
    path: Path
    east: float | None = None
    north: float | None = None
    zone: int | None = None
    south: bool = False
    latitude: float | None = None
    longitude: float | None = None
    heading: float | None = None
    time: str | None = None
    condition: str | None = None
    place: str | None = None
    text: str | None = None


@dataclass(frozen=True, eq=False)
class Records(Sequence[Record]):
    """A table of N records under one root folder.

    Attributes:
        root: folder that all names are relative to.
        names: relative paths.
        east, north: (N,) float64 UTM metres, NaN where unknown.
        zone: (N,) int16 UTM zone, 0 where unknown.
        south: (N,) bool, southern hemisphere.
        latitude, longitude: (N,) float64 degrees, NaN where unknown.
        heading: (N,) float32 degrees, NaN where unknown.
        texts: optional string columns by name (`TEXT_COLUMNS`, `NAMING_COLUMNS`).
        notices: what reading found odd, one sentence each.
        key: of the list these were read from, where their content is known by one; empty otherwise.
    """

    root: Path
    names: StringColumn
    east: np.ndarray
    north: np.ndarray
    zone: np.ndarray
    south: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    heading: np.ndarray
    texts: Mapping[str, StringColumn] = dataclasses.field(default_factory=dict)
    notices: tuple[str, ...] = ()
    key: str = ""

    @staticmethod
    def from_rows(root: str | Path, rows: Iterable[Mapping[str, Any]], notices: Iterable[str] = ()) -> "Records":
        """Build a table from mappings with the keys of `Record` (all but `name` optional).

        UTM is computed where only latitude/longitude is given; latitude/longitude stays unknown until `with_latlon`.

        Names are taken as they are: those from lists and tables of others go through `checked_name` first.
        """
        rows = list(rows)
        columns = {
            key: np.array([_number(row.get(key)) for row in rows], np.float64)
            for key in ("east", "north", "latitude", "longitude", "heading")
        }
        zone = np.array([row.get("zone") or 0 for row in rows], np.int16)
        south = np.array([bool(row.get("south")) for row in rows], bool)
        degrees_only = np.isnan(columns["east"]) & np.isfinite(columns["latitude"])
        if degrees_only.any():
            at = np.flatnonzero(degrees_only)
            east, north, zones, souths = geo.to_utm(columns["latitude"][at], columns["longitude"][at])
            columns["east"][at], columns["north"][at], zone[at], south[at] = east, north, zones, souths
        texts = {
            key: StringColumn.of(str(row.get(key) or "") for row in rows)
            for key in (*TEXT_COLUMNS, *NAMING_COLUMNS)
            if any(row.get(key) for row in rows)
        }
        return Records(
            Path(root),
            StringColumn.of(str(row["name"]) for row in rows),
            columns["east"],
            columns["north"],
            zone,
            south,
            columns["latitude"],
            columns["longitude"],
            single(columns["heading"]),
            texts,
            tuple(notices),
        )

    def __repr__(self) -> str:
        """One line: notebooks show it, and the columns may hold millions."""
        known = ", ".join([*(["positions"] if self.any_position else []), *self.texts]) or "names"
        return f"Records(images: {len(self)}, root: {self.root}, known: {known})"

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return self.take(np.arange(len(self))[row])
        name = self.names[row]
        texts = {key: column[row] or None for key, column in self.texts.items() if key in TEXT_COLUMNS}
        return Record(
            name,
            self.root / name,
            _known(self.east[row]),
            _known(self.north[row]),
            int(self.zone[row]) or None,
            bool(self.south[row]),
            _known(self.latitude[row]),
            _known(self.longitude[row]),
            _known(self.heading[row]),
            **texts,
        )

    def __iter__(self) -> Iterator[Record]:
        for row in range(len(self)):
            yield self[row]

    def path(self, row: int) -> Path:
        """Where image `row` is."""
        return self.root / self.names[row]

    def text(self, column: str, row: int) -> str:
        """One text value, empty where unknown."""
        return self.texts[column][row] if column in self.texts else ""

    @property
    def has_position(self) -> np.ndarray:
        """(N,) bool: UTM coordinates known."""
        return np.asarray(np.isfinite(self.east) & np.isfinite(self.north))

    @property
    def any_position(self) -> bool:
        """Some record has a position; looked for from the front, so that a long table need not be read."""
        blocks = range(0, len(self), 1 << 16)
        return any(np.isfinite(self.east[at : at + (1 << 16)]).any() for at in blocks)

    def take(self, rows: np.ndarray) -> "Records":
        """The given rows, in that order."""
        rows = np.asarray(rows)
        picked = {field: getattr(self, field)[rows] for field in _ARRAYS}
        texts = {key: column.take(rows) for key, column in self.texts.items()}
        return dataclasses.replace(self, names=self.names.take(rows), texts=texts, key="", **picked)

    def with_latlon(self) -> "Records":
        """The same with latitude and longitude computed where only UTM was known, or those given are none."""
        latitude, longitude = geo.to_latlon(self.east, self.north, self.zone, self.south)
        given = (np.abs(self.latitude) <= 90) & (np.abs(self.longitude) <= 360)
        around = np.where(np.abs(self.longitude) > 180, (self.longitude + 180) % 360 - 180, self.longitude)
        return dataclasses.replace(
            self, latitude=np.where(given, self.latitude, latitude), longitude=np.where(given, around, longitude)
        )

    def with_utm_of_degrees(self) -> "Records":
        """The same with UTM computed anew wherever latitude and longitude are known."""
        at = np.flatnonzero(np.isfinite(self.latitude) & np.isfinite(self.longitude))
        east, north, zone, south = (np.array(column) for column in (self.east, self.north, self.zone, self.south))
        east[at], north[at], zone[at], south[at] = geo.to_utm(self.latitude[at], self.longitude[at])
        return dataclasses.replace(self, east=east, north=north, zone=zone, south=south, key="")

    def agrees_with(self, other: "Records") -> np.ndarray:
        """(N,) bool: row by row, the same position, heading, time, condition, place and text (names may differ)."""
        same = np.ones(len(self), bool)
        for column in _ARRAYS:
            mine, theirs = getattr(self, column), getattr(other, column)
            same &= (mine == theirs) | ((mine != mine) & (theirs != theirs))
        for column in TEXT_COLUMNS:
            if column in self.texts or column in other.texts:
                same &= np.array([self.text(column, row) == other.text(column, row) for row in range(len(self))], bool)
        return same

    def with_text(self, column: str, values: Iterable[str]) -> "Records":
        """The same with one text per row in a column."""
        return dataclasses.replace(self, texts={**self.texts, column: StringColumn.of(values)})

    def with_notice(self, *sentences: str) -> "Records":
        return dataclasses.replace(self, notices=(*self.notices, *sentences))

    def list_hash(self) -> str:
        """SHA-256 of the names in order: an index number means nothing without the list it refers to."""
        digest = hashlib.sha256()
        for block in self.names.lines():
            digest.update(block)
        return digest.hexdigest()


def concatenated(tables: Sequence[Records]) -> Records:
    """Tables of one root, one after the other."""
    if len({table.root for table in tables}) != 1:
        raise DataError("only tables of one folder can be joined")
    present = [key for key in (*TEXT_COLUMNS, *NAMING_COLUMNS) if any(key in table.texts for table in tables)]
    nothing = [StringColumn.blank(len(table)) for table in tables]
    texts = {
        key: StringColumn.joined([table.texts.get(key, blank) for table, blank in zip(tables, nothing, strict=True)])
        for key in present
    }
    picked: dict[str, Any] = {field: np.concatenate([getattr(table, field) for table in tables]) for field in _ARRAYS}
    notices = tuple(dict.fromkeys(notice for table in tables for notice in table.notices))
    names = StringColumn.joined([table.names for table in tables])
    return dataclasses.replace(tables[0], names=names, texts=texts, notices=notices, key="", **picked)


_ARRAYS = ("east", "north", "zone", "south", "latitude", "longitude", "heading")


def single(headings: np.ndarray) -> np.ndarray:
    """Headings as float32; what is no angle by any stretch is unknown."""
    headings = np.asarray(headings)
    return np.where(np.abs(headings) < 1e9, headings, np.nan).astype(np.float32)


def checked_name(name: str) -> str:
    """A relative name with `/` that stays under its root.

    Raises:
        DataError: it is absolute or climbs out.
    """
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or ":" in pure.parts[0] or "\0" in name:
        raise DataError(f"'{name}' does not stay inside its folder; use paths relative to the data set's root")
    return str(pure)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _known(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
