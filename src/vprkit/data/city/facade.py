"""Facades: the street side of a house, its corner side, and its plain walls."""

import numpy as np

from vprkit.data.city.canvas import Canvas, pattern
from vprkit.data.city.houses import House
from vprkit.data.city.openings import (
    paint_balcony,
    paint_door,
    paint_shop,
    scaled,
    sill_height,
    window_stamps,
)
from vprkit.data.city.randomness import generator, pick
from vprkit.data.city.textures import FIRST_WINDOW, FOLIAGE, LEDGE, ROOF, WALL, WINDOWS, Colour, Texture

_BEAM: Colour = (84, 58, 42)


def paint_front(house: House, density: float) -> Texture:
    """The street side: ground floor with door and shop, storeys of windows, roof."""
    canvas = Canvas(house.width, house.height, density)
    bay = house.width / house.bays
    _paint_wall(canvas, house)
    _paint_storeys(canvas, house, bay, density)
    _paint_ground_floor(canvas, house, bay)
    _paint_extra(canvas, house)
    _paint_roof(canvas, house)
    return canvas.texture()


def paint_corner(house: House, width: float, density: float) -> Texture:
    """The side of a corner house that faces the other street: windows all the way, no door."""
    canvas = Canvas(width, house.height, density)
    bays = max(2, round(width / (house.width / house.bays)))
    _paint_wall(canvas, house)
    _paint_storeys(canvas, house, width / bays, density)
    stamps = window_stamps(house, width / bays, density)
    for number in range(bays):
        if house.shop is None:
            canvas.stamp(stamps[number % 3], number * width / bays, 0.5, FIRST_WINDOW + number)
    if house.shop is not None:
        paint_shop(canvas, house, house.shop, 0.3, width - 0.3)
    _paint_roof(canvas, house)
    return canvas.texture()


def flank_height(house: House) -> float:
    """Height of the walls that face no street: up to the eaves where a gable stands in front."""
    return house.eaves if house.roof in ("gable", "stepped") else house.height


def paint_plain(house: House, width: float, density: float, windows: bool) -> Texture:
    """A wall that faces no street: bare between neighbours, with a few windows at the back."""
    canvas = Canvas(width, flank_height(house), density)
    grey = (150, 140, 130)
    mixed = tuple((2 * c + g) // 3 for c, g in zip(house.colour, grey, strict=True))
    _paint_wall(canvas, house, (mixed[0], mixed[1], mixed[2]))
    if windows:
        _paint_storeys(canvas, house, width / max(2, house.bays), density)
    rng = generator(house.detail, "stains")
    for x in rng.random(3) * max(0.5, width - 1.5):
        canvas.shade(float(x), float(x) + 0.4 + float(rng.random()), 0, house.eaves * float(rng.random()), 0.88)
    if house.roof in ("eaves", "mansard"):
        _paint_tiles(canvas, house, [(0, house.eaves), (width, house.eaves), (width, house.height), (0, house.height)])
    elif house.roof == "parapet" and house.roof_height > 0:
        canvas.rect(0, width, house.eaves, house.height, scaled(house.colour, 0.94 * house.tint), WALL)
    canvas.rect(0, width, house.eaves - 0.15, house.eaves, scaled(house.trim, 0.8), LEDGE)
    return canvas.texture()


def _paint_wall(canvas: Canvas, house: House, colour: Colour | None = None) -> None:
    """Wall up to the eaves: colour, joints, dirt towards the ground, plinth and string courses."""
    rows = canvas.rows - round(house.eaves * canvas.density)
    wall = pattern(house.kind, canvas.density)
    rng = generator(house.detail, "wall")
    height, width = canvas.rows - rows, canvas.columns
    across = np.arange(width) + int(rng.integers(wall.shape[1]))
    down = np.arange(height)[::-1]
    level = wall[(down % wall.shape[0])[:, None], (across % wall.shape[1])[None, :]].astype(np.float32) / 128
    level *= house.tint * (0.9 + 0.1 * np.minimum(1, np.arange(height)[::-1, None] / canvas.density / 5))
    base = np.array(colour if colour is not None else house.colour, np.float32)
    canvas.rgb[rows:] = np.clip(level[..., None] * base, 0, 255).astype(np.uint8)
    canvas.material[rows:] = WALL
    if house.kind == "timber":
        _paint_beams(canvas, house)
    elif house.kind not in ("glass", "boards"):
        for floor in range(1, house.storeys):
            z = house.base + (floor - 1) * house.storey
            if floor == 1 or house.extra == "quoins":
                canvas.rect(0, canvas.width, z - 0.12, z + 0.12, house.trim, LEDGE)
                canvas.shade(0, canvas.width, z - 0.26, z - 0.12, 0.7)
    canvas.shade(0, canvas.width, 0, 0.55, 0.7)
    canvas.shade(0, 0.07, 0, house.eaves, 0.6)


def _paint_beams(canvas: Canvas, house: House) -> None:
    for floor in range(house.storeys):
        z = house.base + floor * house.storey
        canvas.rect(0, canvas.width, z - 0.2, z, _BEAM, WALL)
        canvas.rect(0, canvas.width, z - 1.75, z - 1.62, _BEAM, WALL)
    for x in np.arange(0, canvas.width, 1.25):
        canvas.rect(float(x), float(x) + 0.17, house.base, house.eaves, _BEAM, WALL)


def _paint_storeys(canvas: Canvas, house: House, bay: float, density: float) -> None:
    """Windows and balconies of all storeys above the ground floor."""
    stamps = window_stamps(house, bay, density)
    rng = generator(house.detail, "curtains")
    bays = round(canvas.width / bay)
    for floor in range(1, house.storeys):
        z = house.base + (floor - 1) * house.storey
        if house.kind == "glass":
            canvas.rect(0, canvas.width, z, z + 0.35, scaled(house.colour, 0.55), WALL)
        for number in range(bays):
            window = FIRST_WINDOW + (floor * bays + number) % (WINDOWS - 1)
            canvas.stamp(stamps[int(rng.choice(3, p=(0.5, 0.3, 0.2)))], number * bay, z, window)
        if house.extra == "bays" and bays >= 3:
            for number in range(1, bays, 2):
                canvas.shade(number * bay, number * bay + 0.2, z, z + house.storey, 0.72)
                canvas.shade((number + 1) * bay - 0.2, (number + 1) * bay, z, z + house.storey, 1.18)
        _paint_balconies(canvas, house, bay, bays, floor, z)


def _paint_balconies(canvas: Canvas, house: House, bay: float, bays: int, floor: int, z: float) -> None:
    if house.balcony == "middle" and floor >= 1:
        middle = bays // 2
        paint_balcony(canvas, house, middle * bay + 0.1, (middle + 1) * bay - 0.1, z + sill_height(house) - 0.1)
    elif house.balcony and (floor + house.detail) % 2 == 0:
        for number in range(house.detail % 2, bays, 2 if house.balcony == "iron" else 1):
            left, right = number * bay + 0.12, (number + 1) * bay - 0.12
            paint_balcony(canvas, house, left, right, z + sill_height(house) - 0.1)


def _paint_ground_floor(canvas: Canvas, house: House, bay: float) -> None:
    """Door in one bay; a shop, a garage door or windows in the others."""
    door = house.door_bay % house.bays
    left, right = door * bay, (door + 1) * bay
    middle, half = (left + right) / 2, min(0.62, bay * 0.3)
    if house.shop is not None:
        for x0, x1 in ((0.25, left), (right, house.width - 0.25)):
            if x1 - x0 > 1.6:
                paint_shop(canvas, house, house.shop, x0, x1)
    else:
        stamps = window_stamps(house, bay, canvas.density)
        garage = house.detail % 5 == 0 and house.bays > 2
        for number in range(house.bays):
            if number == door:
                continue
            if garage and abs(number - door) == 1:
                _paint_garage(canvas, house, number * bay + 0.15, (number + 1) * bay - 0.15)
            else:
                canvas.stamp(
                    stamps[number % 3], number * bay, max(0.4, house.base - house.storey), FIRST_WINDOW + number
                )
    paint_door(canvas, house, middle - half, middle + half)


def _paint_garage(canvas: Canvas, house: House, x0: float, x1: float) -> None:
    canvas.rect(x0 - 0.1, x1 + 0.1, 0, 2.65, house.trim, WALL)
    canvas.rect(x0, x1, 0, 2.5, scaled(house.door_colour, 1.1), WALL)
    for z in np.arange(0.3, 2.5, 0.36):
        canvas.rect(x0, x1, float(z), float(z) + 0.05, scaled(house.door_colour, 0.7), WALL)


def _paint_extra(canvas: Canvas, house: House) -> None:
    """The one thing that makes this facade different: corner stones, ivy, a mural, a banner, a clock."""
    rng = generator(house.detail, "extra")
    width, low, high = house.width, house.base, house.eaves
    if house.extra == "quoins":
        for number, z in enumerate(np.arange(0, high - 0.3, 0.5)):
            wide = 0.7 if number % 2 else 0.45
            for x0, x1 in ((0.0, wide), (width - wide, width)):
                canvas.rect(x0, x1, float(z), float(z) + 0.44, house.trim, WALL)
    elif house.extra == "ivy":
        count = int(14 * width)
        x = rng.random(count) ** 1.5 * width * 0.6
        z = rng.random(count) * (high - 0.5) * (1 - x / width)
        for cx, cz, tone in zip(x, z, rng.random(count), strict=True):
            colour = (int(40 + 30 * tone), int(76 + 44 * tone), int(36 + 16 * tone))
            canvas.rect(float(cx), float(cx) + 0.45, float(cz), float(cz) + 0.4, colour, FOLIAGE)
    elif house.extra == "mural" and high > low + 3:
        for _ in range(6):
            corners = [(float(x) * width, low + float(z) * (high - low)) for x, z in rng.random((4, 2))]
            red, green, blue = (int(c) for c in rng.integers(40, 240, 3))
            canvas.polygon(corners, (red, green, blue), WALL)
    elif house.extra == "banner" and high > low + 2:
        middle = width * (0.2 + 0.6 * float(rng.random()))
        colour = pick(rng, ((176, 32, 40), (30, 80, 160), (230, 180, 40), (40, 130, 80)))
        canvas.rect(middle - 0.45, middle + 0.45, low + 0.3, min(high, low + 4.2), colour, WALL)
        canvas.rect(middle - 0.45, middle + 0.45, low + 1.4, low + 1.9, (240, 240, 236), WALL)
    elif house.extra == "clock" and high > low + 2:
        points = [(width / 2 + 0.8 * np.cos(a), high - 1.2 + 0.8 * np.sin(a)) for a in np.linspace(0, 6.28, 20)]
        canvas.polygon([(float(x), float(z)) for x, z in points], (238, 234, 220), WALL)
        canvas.rect(width / 2 - 0.05, width / 2 + 0.05, high - 1.25, high - 0.6, (30, 30, 30), WALL)
        canvas.rect(width / 2, width / 2 + 0.45, high - 1.25, high - 1.15, (30, 30, 30), WALL)


def _paint_roof(canvas: Canvas, house: House) -> None:
    """What stands above the eaves; above a gable the texture stays clear."""
    width, low, high, trim = canvas.width, house.eaves, house.height, house.trim
    if house.roof == "parapet":
        canvas.rect(0, width, low, high, scaled(house.colour, 0.94 * house.tint), WALL)
        canvas.rect(0, width, high - 0.16, high, trim, LEDGE)
    elif house.roof in ("eaves", "mansard"):
        _paint_tiles(canvas, house, [(0, low), (width, low), (width, high), (0, high)])
        if house.roof == "mansard":
            _paint_dormers(canvas, house)
        _paint_chimneys(canvas, house)
    else:
        peak = [(0, low), (width, low), (width / 2, high)] if house.roof == "gable" else _steps(width, low, high)
        canvas.polygon(peak, scaled(house.colour, house.tint), WALL)
        stamp = window_stamps(house, width / house.bays, canvas.density)[0]
        if high - low > house.storey * 1.3:
            canvas.stamp(stamp, (width - stamp.width) / 2, low + 0.2, FIRST_WINDOW + WINDOWS - 2)
        if house.roof == "gable":
            for x0, x1 in ((0.0, width / 2), (width, width / 2)):
                edge = [(x0, low), (x1, high), (x1, high - 0.45), (x0, low - 0.3)]
                canvas.polygon(edge, house.roof_colour, ROOF)
    canvas.rect(0, width, low - 0.2, low + 0.1, trim, LEDGE)
    canvas.shade(0, width, low - 0.5, low - 0.2, 0.66)


def _steps(width: float, low: float, high: float) -> list[tuple[float, float]]:
    """Outline of a stepped gable."""
    count = 4
    left = []
    for number in range(count):
        x = width / 2 * number / count
        left += [(x, low + (high - low) * number / count), (x, low + (high - low) * (number + 1) / count)]
    return left + [(width - x, z) for x, z in reversed(left)]


def _paint_tiles(canvas: Canvas, house: House, outline: list[tuple[float, float]]) -> None:
    canvas.polygon(outline, house.roof_colour, ROOF)
    if not canvas.fine:
        return
    for number, z in enumerate(np.arange(house.eaves, house.height, 0.34)):
        canvas.shade(0, canvas.width, float(z), float(z) + 0.1, 0.82 if number % 2 else 0.88)


def _paint_dormers(canvas: Canvas, house: House) -> None:
    bay = canvas.width / max(2, round(canvas.width / 3.4))
    for number, x in enumerate(np.arange(bay / 2, canvas.width, bay)):
        left, right, z0 = float(x) - 0.65, float(x) + 0.65, house.eaves + 0.35
        top = min(house.height - 0.3, z0 + 1.7)
        canvas.rect(left, right, z0, top, house.trim, WALL)
        canvas.rect(left + 0.2, right - 0.2, z0 + 0.2, top - 0.25, (62, 74, 90), FIRST_WINDOW + 200 + number % 24)
        canvas.rect(left - 0.12, right + 0.12, top, top + 0.16, scaled(house.roof_colour, 0.8), ROOF)


def _paint_chimneys(canvas: Canvas, house: House) -> None:
    rng = generator(house.detail, "chimney")
    for x in rng.random(1 + house.detail % 2) * max(0.1, canvas.width - 1.2):
        left = float(x)
        canvas.rect(left, left + 0.8, house.height - 1.2, house.height, (134, 84, 68), WALL)
        canvas.rect(left - 0.08, left + 0.88, house.height - 0.18, house.height, (110, 100, 92), LEDGE)
