"""Where and when a place is photographed: database views by day, queries at other spots, times and weathers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vprkit.data.city.plan import Place
from vprkit.data.city.randomness import between, chance, generator, pick
from vprkit.data.city.shot import Condition, Shot
from vprkit.data.city.surroundings import on_street

_SIDE_ANGLE = 52.0  # degrees off the street of the views that face one row of houses
_HOURS: dict[Condition, tuple[float, float]] = {
    "day": (8.5, 17.0),
    "overcast": (9.0, 16.5),
    "dusk": (19.4, 20.6),
    "night": (21.5, 27.5),
    "rain": (9.0, 17.0),
    "snow": (9.0, 15.5),
}
_MONTHS: dict[Condition, tuple[int, ...]] = {
    "day": (4, 5, 6, 7, 8, 9),
    "overcast": (3, 4, 9, 10, 11),
    "dusk": (3, 4, 8, 9),
    "night": (1, 2, 3, 5, 8, 10, 11),
    "rain": (3, 4, 5, 9, 10, 11),
    "snow": (1, 2, 12),
}


@dataclass(frozen=True)
class PlaceViews:
    """The shots of one place, those of the database first."""

    database: tuple[Shot, ...]
    queries: tuple[Shot, ...]


def photograph(
    seed: int,
    place: Place,
    views: int,
    conditions: Sequence[Condition],
    size: int,
    one_way: bool = False,
) -> PlaceViews:
    """Half of the views are database images by day, the others queries under the conditions in turn.

    A query looks within some 10 degrees the way a database view of its place does and stands less than 25 m from it,
    so that ground truth by position alone is fair.

    Args:
        one_way: all views look the same way, as training on place labels needs; else in two to four directions.
    """
    count = (views + 1) // 2
    headings = _headings(seed, place, min(4, max(2, (count + 1) // 2)))
    if one_way:
        headings = [headings[place.number % len(headings)]]
    database = [_database_shot(seed, place, n, count, headings, size) for n in range(count)]
    queries = []
    for n in range(views - count):
        # Each round through the conditions starts one further, so that every heading meets every condition.
        condition = conditions[(n + place.number) % len(conditions)]
        partner = (n + place.number // len(conditions)) % count
        faces = headings[partner % len(headings)][1]
        queries.append(_query_shot(seed, place, count + n, database[partner], faces, condition))
    return PlaceViews(tuple(database), tuple(queries))


def moment(rng: np.random.Generator, condition: Condition, year: int | None = None) -> str:
    """A date and time, YYYYMMDD_hhmmss, at which the condition occurs."""
    low, high = _HOURS[condition]
    hour = between(rng, low, high) % 24
    month, day = pick(rng, _MONTHS[condition]), int(rng.integers(1, 29))
    chosen = year if year is not None else int(rng.integers(2019, 2026))
    minute, second = int(hour * 60) % 60, int(rng.integers(60))
    return f"{chosen}{month:02d}{day:02d}_{int(hour):02d}{minute:02d}{second:02d}"


def _headings(seed: int, place: Place, count: int) -> list[tuple[float, int]]:
    """Directions a place is seen in: bearing and the side of the street it faces (-1, 0 or 1)."""
    rng = generator(seed, "headings", place.number)
    along = place.street.bearing
    turn = pick(rng, (1, -1))
    choices = [(along, 0), (along + 180, 0), _sideways(along, turn), _sideways(along + 180, turn)]
    return choices[:count]


def _sideways(bearing: float, turn: int) -> tuple[float, int]:
    """A view turned to one row of houses; the side counts across the street as `on_street` does."""
    right_is = {0.0: 1, 180.0: -1, 90.0: -1, 270.0: 1}[bearing % 360]
    return bearing + turn * _SIDE_ANGLE, turn * right_is


def _database_shot(seed: int, place: Place, n: int, count: int, headings: list[tuple[float, int]], size: int) -> Shot:
    """A view from a mapping car: in its lane, level, by day."""
    rng = generator(seed, "database", place.number, n)
    bearing, faces = headings[n % len(headings)]
    rounds = (count + len(headings) - 1) // len(headings)
    spread = 0.0 if rounds == 1 else -6.0 + 12.0 * (n // len(headings)) / (rounds - 1)
    street = place.street
    room = max(0.6, street.kerb - (3.0 if street.parking else 1.8))
    across = -faces * between(rng, 0.3, 1.0) * room if faces else between(rng, -1, 1) * min(1.6, room)
    middle = place.y if street.vertical else place.x
    x, y = on_street(street, across, middle + spread + between(rng, -1.5, 1.5))
    return Shot(
        (place.number, n), place.number, x, y, between(rng, 1.6, 1.75), bearing + between(rng, -4, 4), "day",
        moment(rng, "day", 2023), 70.0, 0.6 + between(rng, -0.015, 0.015), size=(size, size),
    )  # fmt: skip


def _query_shot(seed: int, place: Place, n: int, partner: Shot, faces: int, condition: Condition) -> Shot:
    """A view of somebody with a phone, some metres from a database view that looks the same way, at any time.

    Most stand within 4 m of it on the road, one in five further off or on the pavement.
    """
    rng = generator(seed, "query", place.number, n)
    street = place.street
    off, along = (partner.x, partner.y) if street.vertical else (partner.y, partner.x)
    across = off - street.centre
    room = max(0.6, street.kerb - (2.6 if street.parking else 1.4))
    if chance(rng, 0.2):
        along += between(rng, -9, 9)
        side = -faces if faces else (1 if across > 0 else -1)
        across = side * (street.kerb + 0.5 * street.pavement) if chance(rng, 0.5) else across
    else:
        along += between(rng, -2.2, 2.2)
        across = max(-room, min(room, across + between(rng, -0.8, 0.8)))
    x, y = on_street(street, across, along)
    return Shot(
        (place.number, n), place.number, x, y, between(rng, 1.5, 1.8), partner.bearing + between(rng, -4, 4), condition,
        moment(rng, condition), between(rng, 67, 73), 0.6 + between(rng, -0.02, 0.02), size=partner.size,
    )  # fmt: skip
