"""One sentence about a photo, from what the renderer found to be visible in it."""

from collections import Counter

import numpy as np

from vprkit.data.city.blocks import Face
from vprkit.data.city.houses import House
from vprkit.data.city.names import NUMBERS, STOREYS
from vprkit.data.city.randomness import chance, generator, pick
from vprkit.data.city.scene import Sight, View
from vprkit.data.city.shot import Condition, Shot
from vprkit.data.city.sprites import LAMPS
from vprkit.data.city.surroundings import Board
from vprkit.data.city.traffic import Car

LIMIT = 256  # characters; what text encoders of the field read in training
_HOUSE, _SMALL, _THING = 0.025, 0.004, 0.0012  # shares of the picture from which a house, shop or thing is named

_OPENINGS: dict[Condition, tuple[str, ...]] = {
    "day": ("A street by day", "Broad day on a {width} street", "A {width} street in daylight", "A sunny day"),
    "overcast": ("An overcast street", "A {width} street under an overcast sky", "An overcast, grey day"),
    "dusk": ("A street at dusk", "Dusk on a {width} street", "A {width} street at dusk, lamps on"),
    "night": (
        "A night street",
        "A {width} street at night",
        "Night on a {width} street",
        "A street at night, lamps lit",
    ),
    "rain": ("A rainy street", "Rain on a {width} street", "A {width}, wet street in the rain"),
    "snow": ("A snowy street", "A {width} street in the snow", "Snow on a {width} street"),
}
_ENDINGS: dict[Condition, tuple[str, ...]] = {
    "snow": ("snow on the ground", "snow lies on the road"),
    "rain": ("the wet road shines", "puddles on the ground"),
    "night": ("the sky is dark", "some windows are lit"),
}
_TREES = {"round": "broad trees", "poplar": "poplars", "small": "small trees", "conifer": "conifers"}


def describe(seed: int, shot: Shot, view: View) -> str:
    """A sentence or two, at most 256 characters, worded differently from photo to photo."""
    rng = generator(seed, "words", *shot.key)
    street = min(
        (s for s, *_ in view.around.stretches), key=lambda s: abs(s.centre - (shot.x if s.vertical else shot.y))
    )
    width = "narrow" if street.half < 7.2 else "wide" if street.half > 9 else "city"
    text = pick(rng, _OPENINGS[shot.condition]).format(width=width)
    houses = _visible_houses(view)
    text += pick(rng, (" with ", ": ", " showing "))
    phrases = [_placed(rng, *house) for house in houses] or ["hardly any house in view"]
    while len(phrases) > 1 and len(text) + len(_join(phrases)) > LIMIT - 1:
        phrases.pop()
    text += _join(phrases)
    extras = _things(rng, view)
    endings = _ENDINGS.get(shot.condition, ())
    if endings:
        extras.append(pick(rng, endings))
    return _fit(text, extras)


def _fit(text: str, extras: list[str]) -> str:
    """The text with as many extras as the limit allows."""
    joint = "; "
    for extra in extras:
        if len(text) + len(joint) + len(extra) < LIMIT:
            text += joint + extra
            joint = ", "
    return text[: LIMIT - 1] + "."


def _visible_houses(view: View) -> list[tuple[House, list[Sight], float]]:
    """The three houses that fill most of the picture: what is seen of them and where they stand."""
    walls: dict[tuple[int, ...], list[Sight]] = {}
    for sight in view.seen:
        if isinstance(sight.thing, Face) and sight.thing.side in ("front", "corner"):
            walls.setdefault(sight.thing.house.key, []).append(sight)
    ranked = sorted(walls.values(), key=lambda sights: -sum(s.share for s in sights))
    found = []
    for sights in ranked[:3]:
        face = sights[0].thing
        if isinstance(face, Face) and sum(s.share for s in sights) > _HOUSE:
            largest = max(sights, key=lambda s: s.share)
            found.append((face.house, sights, largest.where))
    return found


def _placed(rng: np.random.Generator, house: House, sights: list[Sight], where: float) -> str:
    side = "on the left" if where < 0.4 else "on the right" if where > 0.6 else "ahead"
    return f"{_house(rng, house, sights)} {side}"


def _join(phrases: list[str]) -> str:
    return ", ".join(phrases[:-1]) + " and " + phrases[-1] if len(phrases) > 1 else phrases[0]


def _a(words: str) -> str:
    """The words with their article."""
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


def _house(rng: np.random.Generator, house: House, sights: list[Sight]) -> str:
    """Such as `a red-brick four-storey house with a green door and a bakery called 'Nova'`."""
    storeys = STOREYS[min(house.storeys, 12)]
    noun = "tower" if house.storeys > 7 else pick(rng, ("house", "building"))
    first = house.wall if chance(rng, 0.5) else f"{storeys}-storey {house.wall}"
    details = _details(house, sights)
    chosen = [details[int(i)] for i in sorted(rng.permutation(len(details))[:2])]
    shop = _shop(house, sights)
    if shop:
        chosen = [shop, *chosen[:1]]
    return _a(f"{first} {noun}") + (" with " + " and ".join(chosen) if chosen else "")


def _details(house: House, sights: list[Sight]) -> list[str]:
    """Features of the house that show in this picture."""
    found = []
    front = [s for s in sights if isinstance(s.thing, Face) and s.thing.side == "front"]
    door = (house.door_bay % house.bays + 0.5) / house.bays
    if any(s.start < door < s.stop and s.low < 1.2 for s in front):
        found.append(_a(f"{house.door} door"))
    if house.roof in ("gable", "stepped"):
        found.append("a stepped gable" if house.roof == "stepped" else "a pointed gable")
    elif house.roof in ("mansard", "eaves"):
        found.append(f"a {house.roof_name} roof")
    if house.shutters and house.window != "strip":
        found.append(f"{house.shutters} shutters")
    if house.balcony and house.storeys > 1:
        found.append("iron balconies" if house.balcony == "iron" else "balconies")
    named = {"ivy": "ivy on the wall", "mural": "a mural", "banner": "a banner", "clock": "a clock"}
    if house.extra in named and front:
        found.append(named[house.extra])
    if house.window in ("arched", "strip"):
        found.append("arched windows" if house.window == "arched" else "window bands")
    return found


def _shop(house: House, sights: list[Sight]) -> str:
    """The shop, if its board can be read."""
    shop = house.shop
    if shop is None or house.storeys < 2:
        return ""
    readable = any(s.share > _SMALL * 4 and s.low < house.base - 0.9 and s.stop - s.start > 0.6 for s in sights)
    awning = " under " + _a(f"{shop.awning} awning") if shop.awning else ""
    return f"a {shop.kind} called '{shop.name}'{awning}" if readable else ""


def _things(rng: np.random.Generator, view: View) -> list[str]:
    """Cars, people, trees and furniture, most telling first."""
    cars: dict[int, float] = {}
    names: dict[int, Car] = {}
    boards: Counter[str] = Counter()
    for sight in view.seen:
        if isinstance(sight.thing, Car):
            cars[id(sight.thing)] = cars.get(id(sight.thing), 0.0) + sight.share
            names[id(sight.thing)] = sight.thing
        elif isinstance(sight.thing, Board) and sight.share > _THING:
            boards[sight.thing.kind] += 1
    found = [f"a {kind}" for kind in ("phone box", "mailbox", "shelter") if boards[kind]]
    found = [phrase.replace("a shelter", "a bus shelter") for phrase in found]
    trees = [word for kind, word in _TREES.items() if boards[kind]]
    found += [" and ".join(trees[:2])] if trees else []
    found += _cars([names[key] for key, share in cars.items() if share > _THING])
    people = boards["person"] + boards["umbrella"]
    if people:
        found.append("a pedestrian" if people == 1 else f"{NUMBERS[min(people, 12)]} pedestrians")
    if any(boards[kind] > 2 for kind in LAMPS) and len(found) < 2:
        found.append("a row of street lamps")
    order = rng.permutation(len(found))
    return [found[int(i)] for i in order]


def _cars(cars: list[Car]) -> list[str]:
    parked = [car for car in cars if car.parked]
    found = []
    if parked:
        kind = parked[0].name if len(parked) == 1 else "cars"
        found.append(f"a parked {kind}" if len(parked) == 1 else f"{NUMBERS[min(len(parked), 12)]} parked cars")
    driving = [car for car in cars if not car.parked]
    if driving:
        found.append(f"a {driving[0].name} driving")
    return found
