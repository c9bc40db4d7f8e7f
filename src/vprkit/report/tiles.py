"""Street tiles under a report's maps: pictures that a browser fetches when it is online, if this was asked for.

Tiles are squares of the Web Mercator projection, maps are planes of a UTM zone: every tile is placed by its own
corners, so that it lies where it belongs although the two are turned against each other.
"""

import math
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np

from vprkit.data import geo
from vprkit.errors import ConfigError
from vprkit.report.markup import Html, element
from vprkit.report.place_map import Plane

CREDIT = "© OpenStreetMap contributors"

MOST = 64
"""Tiles of one map."""

FINEST = 18
"""Zoom that every server has."""

PIXELS = 140.0
"""Least width of a tile in the units of a map, so that labels can be read."""

EQUATOR = 40_075_016.7
"""Metres around the Earth."""

_ADDRESS = re.compile(r"https?://[A-Za-z0-9.\-]+(:[0-9]+)?/[A-Za-z0-9_\-./?=&%{}~+@]*")


@dataclass(frozen=True)
class Tiles:
    """A server of street tiles.

    Attributes:
        address: with `{z}`, `{x}` and `{y}`, such as https://tile.openstreetmap.org/{z}/{x}/{y}.png.
        credit: who is to be named; servers ask for it.

    Raises:
        ConfigError: the address is none, or lacks a placeholder.
    """

    address: str
    credit: str = CREDIT

    def __post_init__(self) -> None:
        names = sorted(re.findall(r"\{([^{}]*)\}", self.address))
        if not _ADDRESS.fullmatch(self.address) or names != ["x", "y", "z"]:
            raise ConfigError(
                f"tiles '{self.address}' are no address of tiles; write one with {{z}}, {{x}} and {{y}}, such as "
                "https://tile.openstreetmap.org/{z}/{x}/{y}.png"
            )

    @property
    def origin(self) -> str:
        """Scheme and host: what a page must be allowed to fetch pictures from."""
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"

    def at(self, zoom: int, x: int, y: int) -> str:
        """The address of one tile."""
        return self.address.replace("{z}", str(zoom)).replace("{x}", str(x)).replace("{y}", str(y))


def street(tiles: Tiles, plane: Plane, zone: int) -> Html:
    """The tiles under a map, as images of an SVG; nothing where no zone is known.

    Args:
        tiles: the server.
        plane: of the map, metres of a UTM zone with southern northings negative.
        zone: which.
    """
    if not 1 <= zone <= 60:
        return Html("")
    corners = np.array([plane.metres((x, y)) for x in (0, plane.WIDTH) for y in (0, plane.height)])
    latitude, longitude = _degrees(corners, zone)
    if not (np.isfinite(latitude).all() and np.ptp(longitude) < 180):
        return Html("")
    zoom = _zoom(plane, float(latitude.mean()))
    while True:
        x, y = mercator(latitude, longitude, zoom)
        columns = range(math.floor(x.min()), math.floor(x.max()) + 1)
        rows = range(max(0, int(y.min())), min(2**zoom - 1, int(y.max())) + 1)
        if len(columns) * len(rows) <= MOST or zoom == 0:
            break
        zoom -= 1
    placed = ((column, row, _corners(plane, zone, zoom, column, row)) for column in columns for row in rows)
    images = [_image(tiles.at(zoom, column % 2**zoom, row), corners) for column, row, corners in placed
              if np.isfinite(corners).all()]  # fmt: skip
    return element("g", *images, class_="tiles-under", aria_hidden="true")


def mercator(latitude: np.ndarray, longitude: np.ndarray, zoom: int) -> tuple[np.ndarray, np.ndarray]:
    """Degrees to tile numbers with fractions, x to the east and y to the south."""
    count = 2**zoom
    bounded = np.radians(np.clip(latitude, -85.0511, 85.0511))
    return (longitude + 180) / 360 * count, (1 - np.arcsinh(np.tan(bounded)) / math.pi) / 2 * count


def from_mercator(x: np.ndarray, y: np.ndarray, zoom: int) -> tuple[np.ndarray, np.ndarray]:
    """Tile numbers with fractions to (latitude, longitude)."""
    count = 2**zoom
    return np.degrees(np.arctan(np.sinh(math.pi * (1 - 2 * y / count)))), x / count * 360 - 180


def _zoom(plane: Plane, latitude: float) -> int:
    """The finest zoom whose tiles are wide enough."""
    metres = PIXELS / plane.scale
    widest = EQUATOR * math.cos(math.radians(latitude)) / metres
    return int(min(FINEST, max(0, math.floor(math.log2(max(1.0, widest))))))


def _corners(plane: Plane, zone: int, zoom: int, column: int, row: int) -> np.ndarray:
    """(3, 2) corners of a tile in the map: upper left, upper right, lower left; NaN where UTM ends (84 N, 80 S)."""
    x, y = np.array([column, column + 1, column], float), np.array([row, row, row + 1], float)
    latitude, longitude = from_mercator(x, y, zoom)
    east, north, _, south = geo.to_utm(latitude, longitude, np.full(3, zone))
    return np.array([plane.at(point) for point in zip(east, geo.plane_north(north, south), strict=True)])


def _image(address: str, corners: np.ndarray) -> Html:
    """One tile, stretched over the parallelogram between three of its corners."""
    (left, top), (right, along), (aside, low) = corners
    numbers = (right - left, along - top, aside - left, low - top, left, top)
    matrix = " ".join(f"{number:.3f}" for number in numbers)
    # A hair wider than its square, so that no seams show.
    return element("image", href=address, width="1.004", height="1.004", preserveAspectRatio="none",
                   transform=f"matrix({matrix})")  # fmt: skip


def _degrees(points: np.ndarray, zone: int) -> tuple[np.ndarray, np.ndarray]:
    """(latitude, longitude) of places of a zone; longitudes run on beyond 180 degrees rather than jump there."""
    south = points[:, 1] < 0
    north = points[:, 1] + np.where(south, geo.FALSE_NORTHING, 0.0)
    latitude, longitude = geo.to_latlon(points[:, 0], north, np.full(len(points), zone), south)
    middle = 6 * zone - 183
    return latitude, middle + (longitude - middle + 180) % 360 - 180
