"""Where a city lies on Earth, and how positions are printed in `@` names."""

from dataclasses import dataclass

import utm

from vprkit.data.city.plan import rotate


@dataclass(frozen=True)
class Position:
    """One camera position: UTM metres rounded to centimetres, degrees derived from these."""

    east: float
    north: float
    zone: int
    letter: str
    latitude: float
    longitude: float

    @property
    def zone_name(self) -> str:
        """Zone number and latitude band, such as `32T`."""
        return f"{self.zone}{self.letter}"


@dataclass(frozen=True)
class Site:
    """The spot of the local origin and how far the local axes are turned counter-clockwise, degrees."""

    latitude: float
    longitude: float
    rotation: float

    def locate(self, x: float, y: float) -> Position:
        """The position of a local point (metres); the whole city shares the zone of its origin."""
        east, north, zone, letter = utm.from_latlon(self.latitude, self.longitude)
        turned = rotate(x, y, self.rotation)
        east, north = round(float(east) + turned[0], 2), round(float(north) + turned[1], 2)
        latitude, longitude = utm.to_latlon(east, north, int(zone), letter)
        return Position(east, north, int(zone), str(letter), float(latitude), float(longitude))

    def heading(self, bearing: float) -> float:
        """Compass heading (degrees clockwise from north) of a local bearing."""
        return (bearing - self.rotation) % 360


def at_name(position: Position, image: str, tile: int | None, heading: float | None, time: str, note: str = "") -> str:
    """A file name of the `@` layout, all 15 fields, extension included."""
    fields = (
        "",
        f"{position.east:010.2f}",
        f"{position.north:010.2f}",
        f"{position.zone:02d}",
        position.letter,
        f"{position.latitude:09.5f}",
        f"{position.longitude:010.5f}",
        image,
        "" if tile is None else f"{tile:02d}",
        "" if heading is None else f"{int(heading) % 360:03d}",
        "",
        "",
        "",
        time,
        note,
        ".jpg",
    )
    return "@".join(fields)
