"""GSV-Cities: `Dataframes/<City>.csv` beside `Images/<City>/*.jpg` (Ali-bey et al., Neurocomputing 2022)."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vprkit.config import nearest
from vprkit.data.layouts.place_layout import PlaceLayout, PlaceTable
from vprkit.data.layouts.table import read_rows
from vprkit.data.records import Records, checked_name
from vprkit.errors import DataError

CITIES = (
    "Bangkok", "BuenosAires", "LosAngeles", "MexicoCity", "OSL", "Rome", "Barcelona", "Chicago", "Madrid", "Miami",
    "Phoenix", "TRT", "Boston", "Lisbon", "Medellin", "Minneapolis", "PRG", "WashingtonDC", "Brussels", "London",
    "Melbourne", "Osaka", "PRS",
)  # fmt: skip
"""The 23 training cities, in the order that decides labels."""

STRIDE = 100_000
"""Labels of one city lie between two multiples of this."""

COLUMNS = ("place_id", "year", "month", "northdeg", "city_id", "lat", "lon", "panoid")


def file_name(row: Mapping[str, Any]) -> str:
    """The image file of a table row.

    `lat` and `lon` are taken as written where they are text, else in the shortest form that reads back as the number.
    """
    return (
        f"{row['city_id']}_{int(row['place_id']) % STRIDE:07d}_{int(row['year']):04d}_{int(row['month']):02d}_"
        f"{int(row['northdeg']):03d}_{row['lat']}_{row['lon']}_{row['panoid']}.jpg"
    )


def order_of(cities: Iterable[str]) -> list[str]:
    """Cities in the published order; unknown ones follow, sorted, so that labels do not depend on the file system."""
    present = set(cities)
    return [city for city in CITIES if city in present] + sorted(present - set(CITIES))


def read(path: Path, groups: Sequence[str] | None) -> PlaceTable | None:
    tables = path / "Dataframes"
    if not tables.is_dir() or not (path / "Images").is_dir():
        return None
    present = {table.stem for table in tables.glob("*.csv")}
    cities = order_of(present) if groups is None else list(groups)
    unknown = [city for city in cities if city not in present]
    if not cities:
        raise DataError(f"{tables}: holds no <City>.csv")
    if unknown:
        raise DataError(f"{tables}: there is no {unknown[0]}.csv{nearest(unknown[0], present)}")
    rows: list[dict[str, Any]] = []
    columns: list[tuple[int, int]] = []
    for position, city in enumerate(cities):
        for line, raw in read_rows(tables / f"{city}.csv"):
            row = _checked(raw, tables / f"{city}.csv", line)
            rows.append(_record(row))
            columns.append((int(row["place_id"]) + STRIDE * position, position))
    labels, groups_of = np.array(columns, np.int64).reshape(-1, 2).T.copy()
    return PlaceTable(Records.from_rows(path, rows), labels, groups_of, _recency(rows))


def _checked(raw: Mapping[str, str], path: Path, line: int) -> Mapping[str, str]:
    missing = [column for column in COLUMNS if column not in raw]
    if missing:
        raise DataError(f"{path}: needs the columns {', '.join(COLUMNS)}; '{missing[0]}' is missing")
    for column in ("place_id", "year", "month", "northdeg"):
        digits = raw[column].strip(" ")
        if not (digits.isascii() and digits.isdecimal() and len(digits) <= 15):
            raise DataError(f"{path}, line {line}, column {column}: '{raw[column]}' is no whole number")
    for column in ("lat", "lon"):
        try:
            float(raw[column])
        except ValueError:
            raise DataError(f"{path}, line {line}, column {column}: '{raw[column]}' is no number") from None
    return raw


def _record(row: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": checked_name(f"Images/{row['city_id']}/{file_name(row)}"),
        "latitude": float(row["lat"]), "longitude": float(row["lon"]), "heading": float(row["northdeg"]) % 360,
        "time": f"{int(row['year']):04d}{int(row['month']):02d}", "place": row["place_id"],
    }  # fmt: skip


def _recency(rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Rank by (year, month, latitude): what the deterministic choice of the recipes sorts by."""
    order = np.lexsort(([row["latitude"] for row in rows], [int(row["time"]) for row in rows]))
    recency = np.empty(len(rows), np.int64)
    recency[order] = np.arange(len(rows))
    return recency


PLACES = PlaceLayout("gsv-cities", "GSV-Cities: Dataframes/<City>.csv and Images/<City>/*.jpg", read)
