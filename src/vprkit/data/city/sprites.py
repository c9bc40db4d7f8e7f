"""Trees, people and street furniture: pictures that always face the camera."""

from functools import lru_cache

import numpy as np

from vprkit.data.city.canvas import Canvas
from vprkit.data.city.randomness import generator
from vprkit.data.city.textures import (
    BODY,
    CLOTHES,
    FOLIAGE,
    LAMP,
    LEDGE,
    POLE,
    SHOP_GLASS,
    SIGN,
    TRUNK,
    WALL,
    Colour,
    Texture,
)

# Width and height in metres.
SIZES: dict[str, tuple[float, float]] = {
    "round": (6.2, 8.0),
    "poplar": (3.0, 11.0),
    "small": (3.6, 5.0),
    "conifer": (4.4, 9.0),
    "bush": (2.6, 1.7),
    "arm": (2.4, 7.0),
    "globe": (0.7, 4.2),
    "lantern": (0.8, 4.6),
    "double": (3.6, 6.6),
    "person": (0.75, 1.8),
    "umbrella": (1.2, 2.1),
    "sign": (0.8, 2.9),
    "mailbox": (0.6, 1.4),
    "column": (1.5, 3.6),
    "bollard": (0.25, 1.0),
    "bin": (0.6, 1.1),
    "shelter": (3.4, 2.5),
    "phone box": (1.0, 2.5),
}
TREES = ("round", "poplar", "small", "conifer", "bush")
LAMPS = ("arm", "globe", "lantern", "double")
_GREENS: tuple[Colour, ...] = ((66, 98, 44), (84, 112, 48), (52, 84, 50), (108, 116, 52), (92, 100, 62))


@lru_cache(maxsize=256)
def sprite(kind: str, variant: int, bare: bool, fine: bool) -> Texture:
    """The picture of a thing; `bare` trees have lost their leaves, `fine` doubles the resolution."""
    if kind in TREES:
        return _tree(kind, variant, bare and kind != "conifer", 24.0 if fine else 14.0)
    canvas = Canvas(*SIZES[kind], 48.0 if fine else 28.0)
    if kind in LAMPS:
        _lamp(canvas, kind)
    elif kind in ("person", "umbrella"):
        _person(canvas, variant, kind == "umbrella")
    else:
        _furniture(canvas, kind, variant)
    return canvas.texture()


def lamp_heads(kind: str) -> tuple[tuple[float, float], ...]:
    """Where a lamp shines: sideways offset and height in metres."""
    return {
        "arm": ((0.95, 6.7),),
        "globe": ((0.0, 3.9),),
        "lantern": ((0.0, 4.2),),
        "double": ((-1.55, 6.3), (1.55, 6.3)),
    }[kind]


def _tree(kind: str, variant: int, bare: bool, density: float) -> Texture:
    width, height = SIZES[kind]
    canvas = Canvas(width, height, density)
    rng = generator(variant, "tree", kind)
    if kind != "bush":
        _trunk(canvas, rng, bare, 0.75 * height)
    x = (np.arange(canvas.columns) + 0.5) / canvas.density
    z = (canvas.rows - np.arange(canvas.rows) - 0.5) / canvas.density
    crown = np.zeros((canvas.rows, canvas.columns), np.float32)
    light = np.zeros_like(crown)
    for cx, cz, radius, tone in _clusters(kind, rng, width, height):
        inside = ((x[None, :] - cx) ** 2 + (z[:, None] - cz) ** 2) < radius * radius
        crown[inside] = 1
        lit = 0.75 + 0.35 * tone + 0.22 * (z[:, None] - cz) / radius - 0.1 * (x[None, :] - cx) / radius
        light = np.where(inside, lit, light)
    leaf = rng.random(crown.shape)
    green = np.array(_GREENS[variant % len(_GREENS)], np.float32)
    shown = (crown > 0) & (leaf > (0.8 if bare else 0.12))
    if bare:
        green = np.array((74, 62, 54), np.float32)
    colour = green * (light * (0.78 + 0.44 * rng.random(crown.shape)))[..., None]
    canvas.rgb[shown] = np.clip(colour[shown], 0, 255).astype(np.uint8)
    canvas.material[shown] = TRUNK if bare else FOLIAGE
    return canvas.texture()


def _clusters(
    kind: str, rng: np.random.Generator, width: float, height: float
) -> list[tuple[float, float, float, float]]:
    """Leaf clusters of a crown: centre x, height, radius in metres and tone 0..1, back to front."""
    found = []
    for number in range(34 if kind != "bush" else 14):
        a, b, tone = (float(value) for value in rng.random(3))
        if kind == "conifer":
            up = number / 34
            half = (1 - up) * width * 0.42
            found.append((width / 2 + (2 * a - 1) * half, height * (0.14 + 0.8 * up), 0.32 + 0.5 * (1 - up), tone))
        elif kind == "poplar":
            up = b
            half = width * 0.26 * np.sin(np.pi * (0.12 + 0.84 * up))
            found.append((width / 2 + (2 * a - 1) * half, height * (0.16 + 0.76 * up), 0.62, tone))
        elif kind == "bush":
            found.append((width * (0.2 + 0.6 * a), height * (0.25 + 0.4 * b), 0.42, tone))
        else:
            angle, reach = 2 * np.pi * a, np.sqrt(b)
            size = 0.14 * width
            x = width / 2 + np.cos(angle) * reach * (width / 2 - size)
            z = height * 0.66 + np.sin(angle) * reach * (height * 0.34 - size)
            found.append((x, z, size * (0.7 + 0.6 * tone), tone))
    return found


def _trunk(canvas: Canvas, rng: np.random.Generator, bare: bool, top: float) -> None:
    middle, half = canvas.width / 2, 0.035 * canvas.width
    bark: Colour = (74, 60, 48)
    canvas.polygon(
        [(middle - half, 0), (middle + half, 0), (middle + half / 3, top), (middle - half / 3, top)], bark, TRUNK
    )
    for _ in range(13 if bare else 5):
        z = top * (0.4 + 0.6 * float(rng.random()))
        side = (float(rng.random()) * 2 - 1) * canvas.width * 0.4
        rise = z + abs(side) * (0.6 + float(rng.random()))
        canvas.polygon([(middle - 0.07, z), (middle + 0.07, z), (middle + side, rise)], bark, TRUNK)


def _lamp(canvas: Canvas, kind: str) -> None:
    middle, grey = canvas.width / 2, (58, 62, 64)
    top = lamp_heads(kind)[0][1]
    canvas.rect(middle - 0.06, middle + 0.06, 0, top, grey, POLE)
    canvas.rect(middle - 0.11, middle + 0.11, 0, 0.9, grey, POLE)
    for offset, height in lamp_heads(kind):
        x = middle + offset
        if kind in ("arm", "double"):
            canvas.rect(min(middle, x), max(middle, x), height + 0.02, height + 0.14, grey, POLE)
            canvas.rect(x - 0.28, x + 0.22, height - 0.08, height + 0.06, (226, 220, 196), LAMP)
        else:
            half = 0.26 if kind == "globe" else 0.2
            canvas.rect(x - half, x + half, height - 0.28, height + 0.26, (230, 226, 208), LAMP)
            if kind == "lantern":
                canvas.rect(x - 0.3, x + 0.3, height + 0.24, height + 0.36, grey, POLE)


def _person(canvas: Canvas, variant: int, umbrella: bool) -> None:
    rng = generator(variant, "person")
    coat = tuple(int(c) for c in rng.integers(25, 200, 3))
    legs = tuple(int(c) for c in rng.integers(20, 90, 3))
    skin = ((224, 184, 152), (188, 140, 104), (120, 84, 62))[int(rng.integers(3))]
    middle = canvas.width / 2
    stride = 0.06 + 0.12 * float(rng.random())
    paint = _clothes
    paint(canvas, middle - stride - 0.07, middle - stride + 0.07, 0.0, 0.85, legs)
    paint(canvas, middle + stride - 0.07, middle + stride + 0.07, 0.0, 0.85, legs)
    paint(canvas, middle - 0.2, middle + 0.2, 0.75 - 0.2 * (variant % 2), 1.48, coat)
    paint(canvas, middle - 0.28, middle + 0.28, 0.85, 1.4, coat)
    paint(canvas, middle - 0.1, middle + 0.1, 1.48, 1.74, skin)
    paint(canvas, middle - 0.11, middle + 0.11, 1.66, 1.78, tuple(int(c) // 2 for c in legs))
    if variant % 3 == 0:
        paint(canvas, middle + 0.22, middle + 0.36, 0.5, 0.9, tuple(int(c) for c in rng.integers(30, 200, 3)))
    if umbrella:
        colour = tuple(int(c) for c in rng.integers(30, 190, 3))
        outline = [(0.02, 1.72), (0.3, 2.02), (0.6, 2.09), (0.9, 2.02), (1.18, 1.72)]
        canvas.polygon(outline, (colour[0], colour[1], colour[2]), CLOTHES)


def _clothes(canvas: Canvas, x0: float, x1: float, z0: float, z1: float, colour: tuple[int, ...]) -> None:
    canvas.rect(x0, x1, z0, z1, (colour[0], colour[1], colour[2]), CLOTHES)


def _furniture(canvas: Canvas, kind: str, variant: int) -> None:
    width, height = canvas.width, canvas.height
    rng = generator(variant, "furniture", kind)
    bright = tuple(int(c) for c in rng.integers(40, 220, 3))
    colour: Colour = (bright[0], bright[1], bright[2])
    if kind == "sign":
        canvas.rect(width / 2 - 0.04, width / 2 + 0.04, 0, height - 0.3, (120, 122, 124), POLE)
        points = 3 if variant % 2 else 16
        ring = [(width / 2 + 0.36 * np.sin(a), height - 0.4 + 0.36 * np.cos(a)) for a in _turn(points)]
        canvas.polygon([(float(x), float(z)) for x, z in ring], (196, 40, 40), BODY)
        ring = [(width / 2 + 0.23 * np.sin(a), height - 0.4 + 0.23 * np.cos(a)) for a in _turn(points)]
        canvas.polygon([(float(x), float(z)) for x, z in ring], (240, 240, 236), BODY)
    elif kind == "column":
        canvas.rect(0.1, width - 0.1, 0, height - 0.4, (196, 188, 170), WALL)
        canvas.rect(0, width, height - 0.5, height - 0.2, (70, 96, 80), LEDGE)
        for z in (0.5, 1.9):
            canvas.rect(0.3, 0.95, z, z + 1.0, colour, WALL)
            canvas.rect(0.95, 1.3, z + 0.1, z + 0.9, (colour[2], colour[0], colour[1]), WALL)
    elif kind == "shelter":
        canvas.rect(0, width, height - 0.16, height, (70, 74, 80), LEDGE)
        for x in (0.05, width - 0.15):
            canvas.rect(x, x + 0.09, 0, height, (70, 74, 80), POLE)
        canvas.rect(0.2, 1.3, 0.5, 2.1, colour, SIGN)
        canvas.rect(1.5, width - 0.2, 0.45, 0.55, (120, 90, 60), LEDGE)
    elif kind == "phone box":
        canvas.rect(0.05, 0.95, 0, height, (168, 30, 34), BODY)
        canvas.rect(0.2, 0.8, 0.4, 1.95, (96, 108, 116), SHOP_GLASS)
        canvas.rect(0.2, 0.8, 2.08, 2.3, (240, 236, 220), SIGN)
    elif kind == "mailbox":
        canvas.rect(0.24, 0.36, 0, 0.6, (60, 60, 64), POLE)
        canvas.rect(0.02, 0.58, 0.5, height, ((214, 170, 30), (180, 34, 34), (34, 70, 150))[variant % 3], BODY)
        canvas.rect(0.1, 0.5, 1.15, 1.2, (30, 30, 30), BODY)
    else:
        canvas.rect(0.02, width - 0.02, 0, height, (62, 70, 66) if kind == "bin" else (84, 84, 88), POLE)
        canvas.rect(0.02, width - 0.02, height - 0.3, height - 0.15, (200, 200, 196), POLE)


def _turn(points: int) -> list[float]:
    return [2 * np.pi * number / points for number in range(points)]
