"""The ground around a place, seen from above: roads, markings, kerbs, pavements, lawns."""

import itertools
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from vprkit.data.city.canvas import pattern
from vprkit.data.city.plan import CityPlan, Street, dress
from vprkit.data.city.randomness import generator
from vprkit.data.city.textures import GRASS, MARKING, PAVEMENT, ROAD, U8, Colour, Texture, build_texture

EXTENT = 66.0  # metres from the centre to each side
DENSITY = 6.0  # texels per metre
_SURFACES: dict[str, Colour] = {
    "asphalt": (98, 98, 100),
    "dark asphalt": (72, 73, 76),
    "cobbles": (116, 108, 98),
    "pale asphalt": (136, 134, 130),
}
_PAVINGS: tuple[Colour, ...] = ((152, 148, 142), (166, 160, 148), (140, 136, 134), (158, 144, 128))
_PAINT: Colour = (222, 220, 212)


class _Sheet:
    """Colour and material seen from above, drawn in metres of the local plane."""

    def __init__(self, x: float, y: float) -> None:
        self.left, self.top = x - EXTENT, y + EXTENT
        side = int(2 * EXTENT * DENSITY)
        self.rgb = Image.new("RGB", (side, side), (120, 116, 108))
        self.material = Image.new("L", (side, side), PAVEMENT)
        self._draw = ImageDraw.Draw(self.rgb), ImageDraw.Draw(self.material)

    def rect(self, x0: float, x1: float, y0: float, y1: float, colour: Colour, material: int) -> None:
        box = (
            round((x0 - self.left) * DENSITY),
            round((self.top - y1) * DENSITY),
            round((x1 - self.left) * DENSITY) - 1,
            round((self.top - y0) * DENSITY) - 1,
        )
        if box[2] >= box[0] and box[3] >= box[1]:
            self._draw[0].rectangle(box, fill=colour)
            self._draw[1].rectangle(box, fill=material)

    def strip(
        self, street: Street, a: tuple[float, float], s: tuple[float, float], colour: Colour, material: int
    ) -> None:
        """A rectangle along a street: `a` from its centre line to the side, `s` along it (local coordinate)."""
        low, high = street.centre + a[0], street.centre + a[1]
        if street.vertical:
            self.rect(low, high, *s, colour, material)
        else:
            self.rect(*s, low, high, colour, material)


def ground_at(x: float, y: float) -> tuple[float, float]:
    """The centre of the sheet that serves a point: whole metres, so that neighbours paint alike."""
    return float(round(x)), float(round(y))


def paint_ground(plan: CityPlan, x: float, y: float, parks: list[tuple[float, float, float, float]]) -> Texture:
    """The sheet around (x, y), which must come from `ground_at`; row 0 is its far (high y) edge."""
    sheet = _Sheet(x, y)
    for x0, y0, x1, y1 in parks:
        sheet.rect(x0, x1, y0, y1, (86, 118, 58), GRASS)
        sheet.rect(x0, x1, (y0 + y1) / 2 - 1.2, (y0 + y1) / 2 + 1.2, (170, 156, 130), PAVEMENT)
        sheet.rect((x0 + x1) / 2 - 1.2, (x0 + x1) / 2 + 1.2, y0, y1, (170, 156, 130), PAVEMENT)
    streets = [s for s in plan.vertical if abs(s.centre - x) < EXTENT + s.half]
    streets += [s for s in plan.horizontal if abs(s.centre - y) < EXTENT + s.half]
    _paint_streets(sheet, plan, streets, (x, y))
    for street in streets:
        for start, stop, number in segments(plan, street):
            middle = y if street.vertical else x
            if stop > middle - EXTENT and start < middle + EXTENT:
                _paint_segment(sheet, plan, dress(plan.seed, street, number), start, stop, number)
    rgb = np.asarray(sheet.rgb, np.uint8)
    tile = _grain()
    rows = (np.arange(rgb.shape[0]) - int(sheet.top * DENSITY)) % tile.shape[0]
    columns = (np.arange(rgb.shape[1]) + int(sheet.left * DENSITY)) % tile.shape[1]
    grain = tile[rows[:, None], columns[None, :]]
    material = np.asarray(sheet.material, np.uint8)
    # Slabs belong on pavements only.
    grain = np.where(material == PAVEMENT, grain[..., 0], grain[..., 1])
    textured = (rgb.astype(np.uint16) * grain[..., None].astype(np.uint16)) >> 7
    texels = np.dstack([np.minimum(textured, 255).astype(np.uint8), material])
    return build_texture(texels, 2 * EXTENT, 2 * EXTENT, levels=7)


def segments(plan: CityPlan, street: Street) -> list[tuple[float, float, int]]:
    """Stretches of a street between its crossings: first and last coordinate in metres, number."""
    across = plan.horizontal if street.vertical else plan.vertical
    pieces = [(across[0].centre - 90, across[0].centre - across[0].half, -1)]
    pairs = enumerate(itertools.pairwise(across))
    pieces += [(a.centre + a.half, b.centre - b.half, n) for n, (a, b) in pairs]
    pieces.append((across[-1].centre + across[-1].half, across[-1].centre + 90, len(across) - 1))
    return pieces


def _paint_streets(sheet: _Sheet, plan: CityPlan, streets: list[Street], centre: tuple[float, float]) -> None:
    """Pavements, then kerbs, then carriageways, so that crossings come out open."""
    for street in streets:
        middle = centre[1] if street.vertical else centre[0]
        reach = (middle - EXTENT - 1, middle + EXTENT + 1)
        paving = _PAVINGS[street.number % len(_PAVINGS)]
        sheet.strip(street, (-street.half - 2, street.half + 2), reach, paving, PAVEMENT)
    for street in streets:
        middle = centre[1] if street.vertical else centre[0]
        reach = (middle - EXTENT - 1, middle + EXTENT + 1)
        sheet.strip(street, (-street.kerb - 0.2, street.kerb + 0.2), reach, (190, 186, 178), PAVEMENT)
    for street in streets:
        middle = centre[1] if street.vertical else centre[0]
        reach = (middle - EXTENT - 1, middle + EXTENT + 1)
        sheet.strip(street, (-street.kerb, street.kerb), reach, _SURFACES[street.surface], ROAD)


def _paint_segment(sheet: _Sheet, plan: CityPlan, street: Street, start: float, stop: float, number: int) -> None:
    """Markings, zebra crossings, patches and covers of one stretch of street."""
    rng = generator(plan.seed, "ground", int(street.vertical), street.number, number)
    surface = _SURFACES[street.surface]
    sheet.strip(street, (-street.kerb, street.kerb), (start, stop), surface, ROAD)
    for side in (-1, 1):
        gutter = sorted((side * street.kerb, side * (street.kerb - 0.4)))
        sheet.strip(street, (gutter[0], gutter[1]), (start, stop), (84, 82, 80), ROAD)
    for _ in range(int(rng.integers(2, 7))):
        a, s, tone = (float(v) for v in rng.random(3))
        across = (2 * a - 1) * (street.kerb - 1.5)
        along = start + s * (stop - start - 6)
        colour = tuple(int(c * (0.72 + 0.45 * tone)) for c in surface)
        size = (0.7 + 1.3 * tone, 2.0 + 4 * a)
        patch = (colour[0], colour[1], colour[2])
        sheet.strip(street, (across - size[0], across + size[0]), (along, along + size[1]), patch, ROAD)
    if street.surface != "cobbles":
        _paint_lines(sheet, street, start, stop)
    for edge, inward in ((start, 1), (stop, -1)):
        if rng.random() < 0.6:
            near, far = sorted((edge + inward * 1.0, edge + inward * 4.2))
            for a in np.arange(-street.kerb + 0.5, street.kerb - 0.4, 1.0):
                sheet.strip(street, (float(a), float(a) + 0.5), (near, far), _PAINT, MARKING)
    for _ in range(int(rng.integers(1, 4))):
        a, s = (float(v) for v in rng.random(2))
        across, along = (2 * a - 1) * (street.kerb - 1), start + s * (stop - start)
        sheet.strip(street, (across - 0.35, across + 0.35), (along - 0.35, along + 0.35), (56, 54, 52), ROAD)


def _paint_lines(sheet: _Sheet, street: Street, start: float, stop: float) -> None:
    low, high = start + 6, stop - 6
    if street.marking in ("solid", "double"):
        offsets = (0.0,) if street.marking == "solid" else (-0.2, 0.2)
        for a in offsets:
            sheet.strip(street, (a - 0.09, a + 0.09), (low, high), _PAINT, MARKING)
    elif street.marking == "dashed":
        for s in np.arange(low, high - 3, 6.0):
            sheet.strip(street, (-0.09, 0.09), (float(s), float(s) + 3), _PAINT, MARKING)
    if street.parking:
        for side in (-1, 1):
            bay = sorted((side * (street.kerb - 2.15), side * (street.kerb - 2.25)))
            for s in np.arange(low, high - 1.5, 3.0):
                sheet.strip(street, (bay[0], bay[1]), (float(s), float(s) + 1.5), _PAINT, MARKING)


@lru_cache(maxsize=1)
def _grain() -> U8:
    """(384, 384, 2) grain of pavement slabs and of asphalt, 128 where neutral."""
    rng = np.random.Generator(np.random.PCG64(5))
    fine = rng.normal(0, 5, (384, 384))
    slabs = pattern("stone", DENSITY)[:60, :72].astype(np.float32) - 128
    slabs = np.tile(slabs, (7, 6))[:384, :384] * 0.5
    coarse = rng.normal(0, 8, (24, 24)).astype(np.float32)
    smooth = np.asarray(Image.fromarray(coarse).resize((384, 384), Image.Resampling.BICUBIC))
    plain = 128 + fine + smooth
    return np.asarray(np.clip(np.stack([plain + slabs, plain], axis=2), 0, 255), np.uint8)
