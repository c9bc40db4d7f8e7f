"""What every house looks like, drawn from the seed; a third of them copy a house found elsewhere in the city."""

from dataclasses import dataclass, replace

import numpy as np

from vprkit.data.city import names
from vprkit.data.city.randomness import between, chance, generator, pick
from vprkit.data.city.textures import Colour

TEMPLATES = 24  # houses that others copy
_COPIES = 0.35  # share of houses that are such copies


@dataclass(frozen=True)
class Shop:
    """A shop on the ground floor."""

    kind: str
    word: str
    name: str
    board: Colour
    lettering: Colour
    awning: str  # name of its colour, "" for none
    awning_colour: Colour


@dataclass(frozen=True)
class House:
    """One house: all of it that shows. Lengths in metres."""

    key: tuple[int, ...]
    width: float
    storeys: int
    storey: float  # height of an upper storey
    base: float  # height of the ground floor
    bays: int
    kind: str
    wall: str
    colour: Colour
    trim: Colour
    window: str
    frame: Colour
    shutters: str
    shutter_colour: Colour
    roof: str
    roof_name: str
    roof_colour: Colour
    roof_height: float
    balcony: str
    door: str
    door_colour: Colour
    door_bay: int
    shop: Shop | None
    extra: str  # ivy, mural, banner, quoins, clock, or ""
    detail: int  # seeds the small things: curtains, stains, plants
    tint: float  # brightness of this copy

    @property
    def eaves(self) -> float:
        """Height of the wall below the roof."""
        return self.base + (self.storeys - 1) * self.storey

    @property
    def height(self) -> float:
        """Height of the highest texel of the facade."""
        return self.eaves + self.roof_height


def make_house(seed: int, key: tuple[int, ...], width: float, district: int) -> House:
    """The house of this key; copies of a template keep their own door, shop name and small things."""
    rng = generator(seed, "house", *key)
    if not chance(rng, _COPIES):
        return _draw_house(rng, key, width, district)
    template = int(rng.integers(TEMPLATES))
    source = _draw_house(generator(seed, "template", template), key, width, template % len(names.DISTRICTS))
    door, door_colour = pick(rng, names.PAINTS)
    shop = source.shop
    if shop is not None:
        shop = replace(shop, name=names.shop_name(int(rng.integers(names.SHOP_NAMES))))
    return replace(
        source,
        door=door,
        door_colour=door_colour,
        shop=shop,
        storeys=max(1, source.storeys + int(rng.integers(-1, 2))),
        extra=pick(rng, (source.extra, source.extra, "", "banner", "ivy")),
        detail=int(rng.integers(1 << 30)),
        tint=between(rng, 0.92, 1.06),
    )


def _draw_house(rng: np.random.Generator, key: tuple[int, ...], width: float, district: int) -> House:
    kind = pick(rng, names.DISTRICTS[district % len(names.DISTRICTS)])
    wall, colour = pick(rng, names.WALLS[kind])
    modern = kind in ("glass", "concrete")
    storeys = pick(rng, (4, 5, 6, 7, 8, 10)) if modern else pick(rng, (1, 2, 2, 3, 3, 4, 4, 5, 6))
    door, door_colour = pick(rng, names.PAINTS)
    shutters, shutter_colour = pick(rng, names.PAINTS) if kind in ("plaster", "stone", "timber") else ("", (0, 0, 0))
    roof, roof_height = _draw_roof(rng, kind, width)
    roof_name, roof_colour = pick(rng, names.ROOFS)
    pitch = between(rng, 1.9, 3.1)
    light = chance(rng, 0.7)
    return House(
        key=key,
        width=width,
        storeys=storeys,
        storey=between(rng, 2.8, 3.6),
        base=between(rng, 3.5, 4.4),
        bays=max(2, round(width / pitch)),
        kind=kind,
        wall=wall,
        colour=_vary(rng, colour, 10),
        trim=_vary(rng, (222, 216, 202) if light else (92, 84, 76), 12),
        window="strip" if kind == "glass" else pick(rng, ("sash", "tall", "square", "wide", "arched", "french")),
        frame=(232, 232, 228) if chance(rng, 0.65) else pick(rng, names.PAINTS)[1],
        shutters=shutters if chance(rng, 0.45) else "",
        shutter_colour=shutter_colour,
        roof=roof,
        roof_name=roof_name,
        roof_colour=roof_colour,
        roof_height=roof_height,
        balcony=pick(rng, ("", "", "", "iron", "slab", "middle")) if kind != "timber" else "",
        door=door,
        door_colour=door_colour,
        door_bay=int(rng.integers(64)),
        shop=_draw_shop(rng) if chance(rng, 0.4) else None,
        extra=pick(rng, ("", "", "", "", "", "quoins", "ivy", "mural", "banner", "clock", "bays", "bays")),
        detail=int(rng.integers(1 << 30)),
        tint=1.0,
    )


def _draw_roof(rng: np.random.Generator, kind: str, width: float) -> tuple[str, float]:
    """Kind and height in metres of what stands above the eaves."""
    if kind in ("glass", "concrete"):
        return "parapet", between(rng, 0.4, 1.0)
    if kind == "timber" and width < 14:
        return "gable", between(rng, 0.38, 0.5) * width
    roof = pick(rng, ("parapet", "eaves", "eaves", "mansard", "mansard", "gable", "stepped"))
    if roof in ("gable", "stepped") and width > 12:
        roof = "eaves"
    heights = {"parapet": (0.5, 1.2), "eaves": (1.8, 3.2), "mansard": (2.6, 3.4)}
    low, high = heights.get(roof, (0.36 * width, 0.5 * width))
    return roof, between(rng, low, high)


def _draw_shop(rng: np.random.Generator) -> Shop:
    kind, word = pick(rng, names.SHOPS)
    board = pick(rng, names.PAINTS)[1]
    bright = sum(board) > 420
    awning, awning_colour = pick(rng, names.PAINTS) if chance(rng, 0.45) else ("", (0, 0, 0))
    name = names.shop_name(int(rng.integers(names.SHOP_NAMES)))
    return Shop(kind, word, name, board, (30, 28, 26) if bright else (244, 236, 206), awning, awning_colour)


def _vary(rng: np.random.Generator, colour: Colour, amount: int) -> Colour:
    shift = rng.integers(-amount, amount + 1, 3)
    red, green, blue = (max(0, min(255, c + int(s))) for c, s in zip(colour, shift, strict=True))
    return red, green, blue
