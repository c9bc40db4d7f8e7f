"""Positions from the GPS block that cameras and phones write into their photos."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import ExifTags

from vprkit.data.decoding import open_image


def read_gps(path: Path) -> Mapping[str, Any]:
    """Latitude, longitude, heading (degrees) and time of one photo, as far as its EXIF block tells.

    A file that is no picture gives nothing here; it is named when it is decoded.
    """
    try:
        with open_image(path) as image:
            exif = image.getexif()
            gps, details = exif.get_ifd(ExifTags.IFD.GPSInfo), exif.get_ifd(ExifTags.IFD.Exif)
    except Exception:  # a damaged EXIF block is no position; a damaged picture is named when it is decoded
        return {}
    row: dict[str, Any] = {}
    latitude = _degrees(gps.get(ExifTags.GPS.GPSLatitude), gps.get(ExifTags.GPS.GPSLatitudeRef), "S", 90)
    longitude = _degrees(gps.get(ExifTags.GPS.GPSLongitude), gps.get(ExifTags.GPS.GPSLongitudeRef), "W", 180)
    if latitude is not None and longitude is not None and (latitude or longitude):  # 0, 0: written without a fix
        row |= {"latitude": latitude, "longitude": longitude}
    heading = _ratio(gps.get(ExifTags.GPS.GPSImgDirection))
    if heading is not None:
        row["heading"] = heading % 360
    time = details.get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)
    if isinstance(time, str) and time.strip("\0 "):
        row["time"] = time.strip("\0 ")
    return row


def read_gps_of(paths: list[Path], workers: int = 8) -> list[Mapping[str, Any]]:
    """`read_gps` of many photos, headers only, in parallel."""
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(read_gps, paths, chunksize=64))


def _degrees(parts: Any, reference: Any, negative: str, limit: float) -> float | None:
    try:
        numbers = [float(part) for part in parts]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not numbers or any(number != number for number in numbers):
        return None
    value = sum(number / 60**power for power, number in enumerate(numbers[:3]))
    value = -value if str(reference or "").strip("\0 ").upper().startswith(negative) else value
    return value if abs(value) <= limit else None


def _ratio(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if number == number else None
