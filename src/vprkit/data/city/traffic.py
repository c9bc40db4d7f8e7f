"""What moves: parked and driving cars, people. Drawn anew for every shot."""

import bisect
import math
from dataclasses import dataclass

import numpy as np

from vprkit.data.city.plan import Street
from vprkit.data.city.randomness import between, chance, generator
from vprkit.data.city.shot import Shot
from vprkit.data.city.surroundings import Board, Surroundings, on_street
from vprkit.data.city.vehicles import MODELS, PAINTS

_SLOT = 6.3  # metres of kerb per parked car
_ELBOW_ROOM = 1.2  # metres between the camera and any parked car
_SIGHT = 75.0  # metres within which cars and people are placed


@dataclass(frozen=True)
class Car:
    """A vehicle: centre in local metres, axis along x or y, which way it points, whether it is parked."""

    x: float
    y: float
    vertical: bool
    forward: bool
    model: int
    paint: int
    parked: bool

    @property
    def name(self) -> str:
        """Such as `red car`."""
        return f"{PAINTS[self.paint][0]} {MODELS[self.model].name}"


def draw_traffic(seed: int, shot: Shot, around: Surroundings) -> tuple[list[Car], list[Board]]:
    """The cars and people of one shot."""
    rng = generator(seed, "traffic", *shot.key)
    cars, people = [], list[Board]()
    density = between(rng, 0.1, 0.6)
    crowd = {"night": 0.35, "rain": 0.5, "snow": 0.6}.get(shot.condition, 1.0) * between(rng, 0, 0.09)
    for street, start, stop, _ in around.stretches:
        along, off = (shot.y, shot.x) if street.vertical else (shot.x, shot.y)
        low, high = max(start + 3, along - _SIGHT), min(stop - 3, along + _SIGHT)
        if abs(street.centre - off) > _SIGHT or high - low < _SLOT:
            continue
        if street.parking:
            cars += _park(rng, street, low, high, density)
        cars += _drive(rng, street, low, high)
        people += _walk(rng, street, low, high, crowd, shot.condition)
    return [car for car in cars if _clear_of(shot, car)], [p for p in people if _apart(shot, p.x, p.y, 2.6)]


def _park(rng: np.random.Generator, street: Street, low: float, high: float, density: float) -> list[Car]:
    cars = []
    for side in (-1, 1):
        for s in np.arange(low + 2, high - 2, _SLOT):
            if chance(rng, density):
                model = _draw(rng, (0.36, 0.6, 0.84, 0.98))
                across = side * (street.kerb - 0.2 - MODELS[model].width / 2)
                x, y = on_street(street, across, float(s) + between(rng, -0.4, 0.4))
                cars.append(Car(x, y, street.vertical, _keeps_right(street, side), model, _paint(rng), True))
    return cars


def _drive(rng: np.random.Generator, street: Street, low: float, high: float) -> list[Car]:
    cars = []
    room = street.kerb - (2.3 if street.parking else 0.3)
    for _ in range(int(rng.poisson(0.7))):
        side = 1 if chance(rng, 0.5) else -1
        x, y = on_street(street, side * min(1.7, room / 2), between(rng, low, high))
        model = _draw(rng, (0.34, 0.56, 0.76, 0.92))
        cars.append(Car(x, y, street.vertical, _keeps_right(street, side), model, _paint(rng), False))
    return cars


def _keeps_right(street: Street, side: int) -> bool:
    """Whether traffic on this side (sign of the offset across) runs towards higher coordinates."""
    return side > 0 if street.vertical else side < 0


def _paint(rng: np.random.Generator) -> int:
    return _draw(rng, (0.2, 0.37, 0.54, 0.71, 0.81, 0.91, 0.96))


def _draw(rng: np.random.Generator, limits: tuple[float, ...]) -> int:
    """A number by cumulative shares; Generator.choice takes ten times as long."""
    return bisect.bisect_right(limits, float(rng.random()))


def _walk(
    rng: np.random.Generator, street: Street, low: float, high: float, crowd: float, condition: str
) -> list[Board]:
    people = []
    for _ in range(int(rng.poisson(crowd * (high - low)))):
        across = (street.kerb + between(rng, 0.7, street.pavement - 0.5)) * (1 if chance(rng, 0.5) else -1)
        if chance(rng, 0.1):
            across = between(rng, -street.kerb, street.kerb)
        x, y = on_street(street, across, between(rng, low, high))
        kind = "umbrella" if condition == "rain" and chance(rng, 0.7) else "person"
        people.append(Board(x, y, kind, int(rng.integers(32))))
    return people


def _apart(shot: Shot, x: float, y: float, metres: float) -> bool:
    return math.hypot(x - shot.x, y - shot.y) > metres


def _clear_of(shot: Shot, car: Car) -> bool:
    """Driving cars keep their distance from the camera; parked ones leave room to stand beside them."""
    if not car.parked:
        return _apart(shot, car.x, car.y, 9.0)
    half = (MODELS[car.model].width / 2, MODELS[car.model].length / 2)[:: 1 if car.vertical else -1]
    gap_x, gap_y = abs(car.x - shot.x) - half[0], abs(car.y - shot.y) - half[1]
    return math.hypot(max(gap_x, 0.0), max(gap_y, 0.0)) > _ELBOW_ROOM
