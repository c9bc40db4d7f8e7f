"""Cars and vans: boxes whose sides are painted with see-through outlines."""

from dataclasses import dataclass
from functools import lru_cache

from vprkit.data.city.canvas import Canvas
from vprkit.data.city.openings import scaled
from vprkit.data.city.textures import BODY, HEADLIGHT, TAILLIGHT, WALL, Colour, Texture

PAINTS: tuple[tuple[str, Colour], ...] = (
    ("white", (222, 222, 220)),
    ("black", (36, 36, 40)),
    ("silver", (170, 174, 178)),
    ("grey", (98, 102, 108)),
    ("red", (160, 34, 34)),
    ("blue", (38, 66, 128)),
    ("green", (46, 88, 66)),
    ("yellow", (222, 184, 46)),
)
_GLASS: Colour = (54, 62, 72)
_TYRE: Colour = (26, 26, 28)


@dataclass(frozen=True)
class Model:
    """Length, width and height in metres, and the outline of the cabin as shares of length and height."""

    name: str
    length: float
    width: float
    height: float
    body: float  # height of the bonnet
    cabin: tuple[float, float, float, float]  # rear foot, rear top, front top, front foot


MODELS = (
    Model("car", 4.3, 1.78, 1.46, 0.88, (0.03, 0.14, 0.58, 0.74)),
    Model("car", 4.7, 1.82, 1.42, 0.92, (0.12, 0.26, 0.6, 0.74)),
    Model("car", 4.4, 1.86, 1.62, 0.98, (0.02, 0.1, 0.6, 0.75)),
    Model("van", 5.2, 2.0, 2.15, 1.2, (0.0, 0.01, 0.8, 0.9)),
    Model("lorry", 7.2, 2.3, 3.1, 1.5, (0.0, 0.0, 0.96, 1.0)),
)


@lru_cache(maxsize=256)
def side(model: int, paint: int, mirrored: bool) -> Texture:
    """The long side; the front is at the right unless mirrored."""
    shape, colour = MODELS[model], PAINTS[paint][1]
    canvas = Canvas(shape.length, shape.height, 26.0)
    length, height, body = shape.length, shape.height, shape.body
    rear, rear_top, front_top, front = (share * length for share in shape.cabin)
    canvas.polygon([(0.05, 0.3), (length - 0.02, 0.3), (length, body - 0.2), (front, body), (0, body)], colour, BODY)
    canvas.polygon([(rear, body - 0.05), (rear_top, height), (front_top, height), (front, body - 0.05)], colour, BODY)
    _paint_windows(canvas, shape, colour, express=(model + paint) % 2 == 1)
    canvas.rect(0.05, length - 0.05, 0.28, 0.4, scaled(colour, 0.5), BODY)
    canvas.rect(0.3 * length, 0.3 * length + 0.03, 0.4, body, scaled(colour, 0.6), BODY)
    canvas.rect(0.56 * length, 0.56 * length + 0.03, 0.4, body, scaled(colour, 0.6), BODY)
    canvas.rect(length - 0.22, length - 0.04, 0.55, 0.72, (226, 226, 214), HEADLIGHT)
    canvas.rect(0.02, 0.14, 0.6, 0.8, (150, 26, 24), TAILLIGHT)
    for x in (0.18 * length, 0.8 * length):
        wheel = [(x + 0.33 * _COS[i], 0.33 + 0.33 * _SIN[i]) for i in range(12)]
        canvas.polygon(wheel, _TYRE, WALL)
        canvas.polygon([(x + 0.16 * _COS[i], 0.33 + 0.16 * _SIN[i]) for i in range(12)], (140, 142, 146), BODY)
    if mirrored:
        canvas.texels = canvas.texels[:, ::-1].copy()
    return canvas.texture()


def _paint_windows(canvas: Canvas, shape: Model, colour: Colour, express: bool) -> None:
    """Side windows of a car; the cab window and the closed body of a van."""
    length, height, body = shape.length, shape.height, shape.body
    rear, rear_top, front_top, front = (share * length for share in shape.cabin)
    left, left_top = (rear + 0.2, rear_top + 0.12) if shape.name == "car" else (0.72 * length, 0.72 * length)
    top = height - (0.1 if shape.name == "car" else 0.3)
    canvas.polygon([(left, body), (left_top, top), (front_top - 0.05, top), (front - 0.15, body)], _GLASS, WALL)
    if shape.name == "car":
        middle = (rear + front) / 2
        canvas.rect(middle - 0.04, middle + 0.05, body, height - 0.08, colour, BODY)
        return
    canvas.rect(0.08 * length, 0.64 * length, body, height - 0.5, scaled(colour, 0.88), BODY)
    if express:
        canvas.text("EXPRESS", 0.1 * length, 0.62 * length, body + 0.05, height - 0.6, (190, 60, 40), BODY)


@lru_cache(maxsize=256)
def end(model: int, paint: int, front: bool) -> Texture:
    """The front or the rear."""
    shape, colour = MODELS[model], PAINTS[paint][1]
    canvas = Canvas(shape.width, shape.height, 32.0)
    width, height, body = shape.width, shape.height, shape.body
    top = 0.16 if shape.name == "car" else 0.03
    canvas.rect(0.0, width, 0.25, body, colour, BODY)
    canvas.polygon(
        [(0.03, body - 0.03), (top, height), (width - top, height), (width - 0.03, body - 0.03)], colour, BODY
    )
    if shape.name != "lorry" or front:
        glass = [
            (0.16, body + 0.03),
            (top + 0.1, height - 0.12),
            (width - top - 0.1, height - 0.12),
            (width - 0.16, body + 0.03),
        ]
        canvas.polygon(glass, _GLASS, WALL)
    light, material = ((232, 232, 222), HEADLIGHT) if front else ((164, 26, 24), TAILLIGHT)
    for left in (0.08, width - 0.42):
        canvas.rect(left, left + 0.34, body - 0.32, body - 0.14, light, material)
    canvas.rect(0.02, width - 0.02, 0.25, 0.45, scaled(colour, 0.45), BODY)
    canvas.rect(width / 2 - 0.27, width / 2 + 0.27, 0.45, 0.58, (232, 232, 226), BODY)
    if front:
        canvas.rect(width / 2 - 0.4, width / 2 + 0.4, 0.6, 0.74, (40, 40, 44), BODY)
    for left in (0.04, width - 0.28):
        canvas.rect(left, left + 0.24, 0, 0.3, _TYRE, WALL)
    return canvas.texture()


_COS = (1.0, 0.866, 0.5, 0.0, -0.5, -0.866, -1.0, -0.866, -0.5, 0.0, 0.5, 0.866)
_SIN = (0.0, 0.5, 0.866, 1.0, 0.866, 0.5, 0.0, -0.5, -0.866, -1.0, -0.866, -0.5)
