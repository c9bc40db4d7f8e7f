"""Windows, doors, shop fronts and balconies: the stamps of a facade."""

import numpy as np

from vprkit.data.city.canvas import Canvas
from vprkit.data.city.houses import House, Shop
from vprkit.data.city.randomness import generator
from vprkit.data.city.textures import LEDGE, POLE, SHOP_GLASS, SIGN, WALL, Colour

GLASS = 255  # stands for "the glass of this window" until the stamp is placed
_PANE: Colour = (62, 74, 90)

# Width as a share of the bay, height as a share of the storey, height of the sill above the floor in metres.
_SIZES = {
    "sash": (0.44, 0.56, 0.75),
    "tall": (0.36, 0.72, 0.4),
    "square": (0.5, 0.42, 1.0),
    "wide": (0.74, 0.48, 0.8),
    "arched": (0.42, 0.66, 0.6),
    "french": (0.5, 0.8, 0.1),
    "strip": (0.96, 0.66, 0.7),
}


def scaled(colour: Colour, factor: float) -> Colour:
    """The colour, darker or brighter."""
    red, green, blue = (max(0, min(255, int(c * factor))) for c in colour)
    return red, green, blue


def window_stamps(house: House, bay: float, density: float) -> list[Canvas]:
    """This house's window with open, half and full curtains, each as wide as a bay and as high as a storey."""
    return [_window(house, bay, density, curtain) for curtain in (0.0, 0.35, 0.75)]


def sill_height(house: House) -> float:
    """Height of the window sills above the floor, metres."""
    return min(_SIZES[house.window][2], house.storey * 0.3)


def _window(house: House, bay: float, density: float, curtain: float) -> Canvas:
    share, tall, _ = _SIZES[house.window]
    width, height, sill = share * bay, tall * house.storey, sill_height(house)
    canvas = Canvas(bay, house.storey, density)
    x0, z0 = (bay - width) / 2, sill
    x1, z1 = x0 + width, z0 + height
    trim, frame = house.trim, house.frame
    if house.shutters and house.window != "strip":
        wing = min(width / 2, x0 - 0.06)
        for left in (x0 - wing - 0.03, x1 + 0.03):
            canvas.rect(left, left + wing, z0, z1, house.shutter_colour, WALL)
            for z in np.arange(z0 + 0.15, z1, 0.3) if canvas.fine else ():
                canvas.shade(left, left + wing, float(z), float(z) + 0.1, 0.8)
    if house.window != "strip":
        canvas.rect(x0 - 0.12, x1 + 0.12, z0 - 0.14, z1 + 0.16, trim, WALL)
        canvas.rect(x0 - 0.18, x1 + 0.18, z0 - 0.2, z0 - 0.06, scaled(trim, 1.06), LEDGE)
        canvas.rect(x0 - 0.18, x1 + 0.18, z0 - 0.26, z0 - 0.2, scaled(house.colour, 0.55), WALL)
    canvas.rect(x0, x1, z0, z1, frame, WALL)
    edge = 0.08
    canvas.rect(x0 + edge, x1 - edge, z0 + edge, z1 - edge, _PANE, GLASS)
    _pane_light(canvas, x0 + edge, x1 - edge, z0 + edge, z1 - edge)
    if curtain:
        depth = curtain * (x1 - x0 - 2 * edge) / 2
        for left, right in ((x0 + edge, x0 + edge + depth), (x1 - edge - depth, x1 - edge)):
            canvas.rect(left, right, z0 + edge, z1 - edge, (172, 166, 152), GLASS)
    _bars(canvas, house, x0, x1, z0, z1)
    canvas.shade(x0, x1, z1 - 0.14, z1, 0.6)
    if house.window == "arched":
        _round_head(canvas, house, x0, x1, z1)
    return canvas


def _pane_light(canvas: Canvas, x0: float, x1: float, z0: float, z1: float) -> None:
    """Sky reflected in the upper part of a pane."""
    rows, columns = canvas.span(x0, x1, z0, z1)
    ramp = np.linspace(1.45, 0.75, rows.stop - rows.start, dtype=np.float32)[:, None, None]
    area = (rows, columns)
    canvas.rgb[area] = np.clip(canvas.rgb[area] * ramp, 0, 255).astype(np.uint8)


def _bars(canvas: Canvas, house: House, x0: float, x1: float, z0: float, z1: float) -> None:
    half, frame = 0.035, house.frame
    if house.window == "strip":
        for x in np.linspace(x0, x1, 3):
            canvas.rect(float(x) - half, float(x) + half, z0, z1, scaled(house.colour, 0.7), WALL)
        return
    if house.window == "wide":
        for x in (x0 + (x1 - x0) / 3, x0 + (x1 - x0) * 2 / 3):
            canvas.rect(x - half, x + half, z0, z1, frame, WALL)
        return
    middle = (x0 + x1) / 2
    if house.window != "square":
        canvas.rect(middle - half, middle + half, z0, z1, frame, WALL)
    cross = z0 + (z1 - z0) * (0.5 if house.window == "sash" else 0.68)
    canvas.rect(x0, x1, cross - half, cross + half, frame, WALL)


def _round_head(canvas: Canvas, house: House, x0: float, x1: float, z1: float) -> None:
    """Cut the upper corners of a window to an arch."""
    radius = (x1 - x0) / 2
    rows, columns = canvas.span(x0, x1, z1 - radius, z1)
    z = np.linspace(1, 0, rows.stop - rows.start)[:, None]
    x = np.linspace(-1, 1, columns.stop - columns.start)[None, :]
    corner = x * x + z * z > 1
    canvas.rgb[rows, columns][corner] = house.trim
    canvas.material[rows, columns][corner] = WALL


def paint_door(canvas: Canvas, house: House, x0: float, x1: float) -> None:
    """A front door between x0 and x1 metres, with its frame, fanlight and step."""
    height = min(2.9, house.base - 0.5)
    colour = house.door_colour
    canvas.rect(x0 - 0.18, x1 + 0.18, 0, height + 0.2, house.trim, WALL)
    canvas.rect(x0, x1, 0, height, colour, WALL)
    canvas.rect(x0 + 0.06, x1 - 0.06, height - 0.55, height - 0.08, (150, 150, 130), SIGN)
    for side in (0.12, 0.56):
        for z0, z1 in ((0.25, 0.95), (1.1, height - 0.75)):
            left = x0 + side * (x1 - x0)
            canvas.rect(left, left + 0.32 * (x1 - x0), z0, z1, scaled(colour, 0.72), WALL)
    canvas.rect((x0 + x1) / 2 - 0.02, (x0 + x1) / 2 + 0.02, 0, height - 0.6, scaled(colour, 0.5), WALL)
    canvas.rect(x0 - 0.25, x1 + 0.25, 0, 0.16, (150, 148, 142), LEDGE)


def paint_shop(canvas: Canvas, house: House, shop: Shop, x0: float, x1: float) -> None:
    """A shop front between x0 and x1 metres: glass, goods, board with its name, perhaps an awning."""
    top = house.base - 0.35
    board = min(0.75, 0.22 * house.base)
    glass_top = top - board
    canvas.rect(x0, x1, 0, top, scaled(shop.board, 0.75), WALL)
    canvas.rect(x0 + 0.15, x1 - 0.15, 0.45, glass_top - 0.1, (88, 92, 96), SHOP_GLASS)
    _pane_light(canvas, x0 + 0.15, x1 - 0.15, 0.45, glass_top - 0.1)
    _goods(canvas, house, x0 + 0.3, x1 - 0.3, glass_top)
    for x in np.arange(x0, x1 + 0.01, max(1.4, (x1 - x0) / 4)):
        canvas.rect(float(x) - 0.05, float(x) + 0.06, 0, glass_top, scaled(shop.board, 0.6), WALL)
    canvas.rect(x0, x1, glass_top, top, shop.board, SIGN)
    words = f"{shop.word} {shop.name}" if x1 - x0 > 4.5 else shop.name
    canvas.text(words, x0 + 0.15, x1 - 0.15, glass_top + 0.08, top - 0.06, shop.lettering, SIGN)
    if shop.awning:
        _awning(canvas, shop, x0, x1, glass_top)


def _goods(canvas: Canvas, house: House, x0: float, x1: float, top: float) -> None:
    """Blocks of colour behind the glass."""
    rng = generator(house.detail, "goods")
    for x in np.arange(x0, x1 - 0.5, 0.55):
        tall = 0.5 + float(rng.random()) * min(1.1, max(0.2, top - 1.4))
        colour = tuple(int(c) for c in rng.integers(60, 230, 3))
        canvas.rect(float(x), float(x) + 0.42, 0.5, 0.5 + tall, (colour[0], colour[1], colour[2]), SHOP_GLASS)


def _awning(canvas: Canvas, shop: Shop, x0: float, x1: float, top: float) -> None:
    """A striped awning with its shadow on the glass."""
    canvas.shade(x0, x1, top - 1.5, top - 0.8, 0.55)
    stripe = 0.45
    for number, x in enumerate(np.arange(x0, x1, stripe)):
        colour = shop.awning_colour if number % 2 == 0 else (236, 232, 222)
        right = min(x1, float(x) + stripe)
        canvas.rect(float(x), right, top - 0.75, top + 0.02, colour, LEDGE)
        canvas.rect(float(x), right, top - 0.95, top - 0.75, scaled(colour, 0.78), WALL)


def paint_balcony(canvas: Canvas, house: House, x0: float, x1: float, floor: float) -> None:
    """A balcony seen from the front: slab, railing and the shadow below."""
    canvas.shade(x0, x1, floor - 0.7, floor - 0.12, 0.62)
    if house.balcony == "slab":
        canvas.rect(x0, x1, floor - 0.1, floor + 0.85, scaled(house.trim, 0.92), WALL)
    else:
        for x in np.arange(x0, x1, 0.22):
            canvas.rect(float(x), float(x) + 0.05, floor, floor + 0.9, (44, 44, 48), POLE)
        canvas.rect(x0, x1, floor + 0.86, floor + 0.95, (36, 36, 40), POLE)
    canvas.rect(x0 - 0.05, x1 + 0.05, floor - 0.14, floor + 0.02, scaled(house.trim, 0.95), LEDGE)
