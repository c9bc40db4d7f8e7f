"""UTM and latitude/longitude, vectorised over many zones; metres and degrees, float64.

A plane is one UTM zone with southern northings made negative, so that it is continuous across the equator.
"""

from typing import Protocol

import numpy as np
import utm

FALSE_NORTHING = 10_000_000.0
"""Added to the northings of the southern hemisphere."""

BANDS = "CDEFGHJKLMNPQRSTUVWX"
"""Letters of the latitude bands of 8 degrees, from 80 south."""

Degrees = np.ndarray | float


class Positioned(Protocol):
    """Anything with a UTM position; None where unknown."""

    @property
    def east(self) -> float | None: ...
    @property
    def north(self) -> float | None: ...
    @property
    def zone(self) -> int | None: ...
    @property
    def south(self) -> bool: ...
    @property
    def latitude(self) -> float | None: ...
    @property
    def longitude(self) -> float | None: ...


class Columns(Protocol):
    """Positions of many records as (N,) columns; NaN where unknown, zone 0 where unknown."""

    @property
    def east(self) -> np.ndarray: ...
    @property
    def north(self) -> np.ndarray: ...
    @property
    def zone(self) -> np.ndarray: ...
    @property
    def south(self) -> np.ndarray: ...
    @property
    def latitude(self) -> np.ndarray: ...
    @property
    def longitude(self) -> np.ndarray: ...


def zone_numbers(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """(N,) UTM zone per position, with the exceptions for Norway and Svalbard; 0 where the position is not finite."""
    known = np.isfinite(latitude) & np.isfinite(longitude)
    lat = np.where(known, latitude, 0.0)
    lon = (np.where(known, longitude, 0.0) + 180.0) % 360.0 - 180.0
    zone = np.floor((lon + 180.0) / 6.0).astype(np.int16) + 1
    zone[(lat >= 56) & (lat < 64) & (lon >= 3) & (lon < 12)] = 32
    svalbard = (lat >= 72) & (lat < 84) & (lon >= 0) & (lon < 42)
    zone[svalbard] = np.array([31, 33, 35, 37], np.int16)[np.digitize(lon[svalbard], [9, 21, 33])]
    return np.where(known, zone, 0).astype(np.int16)


def band_is_south(letter: str) -> bool:
    """True for the latitude bands C to M; a band letter is no hemisphere letter (`S` is northern)."""
    return "C" <= letter.upper() <= "M"


def to_utm(latitude: np.ndarray, longitude: np.ndarray, zone: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
    """Degrees to (east, north, zone, south); `zone` forces the zone per row. Unknown positions stay NaN with zone 0."""
    latitude, longitude = np.asarray(latitude, np.float64), np.asarray(longitude, np.float64)
    zone = zone_numbers(latitude, longitude) if zone is None else np.asarray(zone, np.int16)
    south = latitude < 0
    east, north = np.full(latitude.shape, np.nan), np.full(latitude.shape, np.nan)
    usable = np.isfinite(latitude) & np.isfinite(longitude) & (latitude >= -80) & (latitude <= 84) & (zone > 0)
    for number in np.unique(zone[usable]):
        for hemisphere in (False, True):
            rows = np.flatnonzero(usable & (zone == number) & (south == hemisphere))
            if rows.size:
                letter = "M" if hemisphere else "N"
                wrapped = (longitude[rows] + 180.0) % 360.0 - 180.0
                east[rows], north[rows], _, _ = utm.from_latlon(latitude[rows], wrapped, int(number), letter)
    return east, north, np.where(usable, zone, 0).astype(np.int16), south


def to_latlon(
    east: np.ndarray, north: np.ndarray, zone: np.ndarray, south: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """UTM to (latitude, longitude) in degrees; NaN where the position or its zone is unknown."""
    latitude, longitude = np.full(east.shape, np.nan), np.full(east.shape, np.nan)
    usable = np.isfinite(east) & np.isfinite(north) & (zone >= 1) & (zone <= 60)
    for number in np.unique(zone[usable]):
        for hemisphere in (False, True):
            rows = np.flatnonzero(usable & (zone == number) & (south == hemisphere))
            if rows.size:
                latitude[rows], longitude[rows] = utm.to_latlon(
                    east[rows], north[rows], int(number), northern=not hemisphere, strict=False
                )
    return latitude, longitude


def plane_north(north: np.ndarray, south: np.ndarray) -> np.ndarray:
    """Northings that continue below the equator: southern ones become negative."""
    return np.where(south, north - FALSE_NORTHING, north)


def great_circle(
    lat_a: np.ndarray | float, lon_a: np.ndarray | float, lat_b: np.ndarray, lon_b: np.ndarray
) -> np.ndarray:
    """Metres along a sphere of radius 6371008.8 m; for display (up to 0.5 % off), never for ground truth."""
    a, b = np.radians(lat_a), np.radians(lat_b)
    half = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(np.radians(np.subtract(lon_b, lon_a)) / 2) ** 2
    return np.asarray(2 * 6371008.8 * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


def metres_apart(one: Positioned, other: Positioned) -> float:
    """Metres between two positions: planar inside a UTM zone (or where no zone is known), else along the sphere; NaN
    where a position is unknown.
    """
    columns = {name: np.array([_number(getattr(one, name)), _number(getattr(other, name))])
               for name in ("east", "north", "latitude", "longitude")}  # fmt: skip
    zone = np.array([one.zone or 0, other.zone or 0])
    return float(_metres(zone=zone, south=np.array([one.south, other.south]), row=0, **columns)[1])


def metres_from(records: Columns, row: int | np.ndarray) -> np.ndarray:
    """(N,) metres from one record, or from a record for each ((N,) numbers), to every record, as of `metres_apart`."""
    return _metres(records.east, records.north, records.zone, records.south, records.latitude, records.longitude, row)


def _metres(
    east: np.ndarray,
    north: np.ndarray,
    zone: np.ndarray,
    south: np.ndarray,
    latitude: np.ndarray,
    longitude: np.ndarray,
    row: int | np.ndarray,
) -> np.ndarray:
    plane = plane_north(north, south)
    metres = np.hypot(east - east[row], plane - plane[row])
    elsewhere = (zone != zone[row]) & (zone > 0) & (zone[row] > 0) | np.isnan(metres)
    if elsewhere.any():
        computed = to_latlon(east, north, zone, south)
        lat, lon = (np.where(np.isnan(given), own, given)
                    for given, own in zip((latitude, longitude), computed, strict=True))  # fmt: skip
        metres = np.where(elsewhere, great_circle(lat[row], lon[row], lat, lon), metres)
    return np.asarray(metres)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
