"""A canvas in metres: what facades are painted on. Heights are measured from the bottom edge."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vprkit.data.city.textures import U8, U32, Colour, Texture, build_texture


class Canvas:
    """Colours and materials of a wall of `width` x `height` metres at `density` texels per metre."""

    def __init__(self, width: float, height: float, density: float) -> None:
        self.width, self.height, self.density = width, height, density
        self.fine = density >= 10  # whether details of 10 cm can show
        self.columns, self.rows = max(2, round(width * density)), max(2, round(height * density))
        self.texels: U8 = np.zeros((self.rows, self.columns, 4), np.uint8)  # all CLEAR

    @property
    def rgb(self) -> U8:
        """(rows, columns, 3) colours."""
        return self.texels[..., :3]

    @property
    def material(self) -> U8:
        """(rows, columns) materials."""
        return self.texels[..., 3]

    def span(self, x0: float, x1: float, z0: float, z1: float) -> tuple[slice, slice]:
        """Rows and columns of a rectangle in metres; at least one texel where it touches the canvas."""
        left, right = round(x0 * self.density), round(x1 * self.density)
        top, bottom = self.rows - round(z1 * self.density), self.rows - round(z0 * self.density)
        right, bottom = max(right, left + 1), max(bottom, top + 1)
        return slice(max(0, top), max(0, bottom)), slice(max(0, left), max(0, right))

    def rect(self, x0: float, x1: float, z0: float, z1: float, colour: Colour, material: int) -> None:
        """Fill a rectangle."""
        area = self.span(x0, x1, z0, z1)
        self.texels[area] = (*colour, material)

    def shade(self, x0: float, x1: float, z0: float, z1: float, factor: float) -> None:
        """Darken or brighten a rectangle."""
        area = self.span(x0, x1, z0, z1)
        shaded = self.rgb[area].astype(np.uint16) * np.uint16(factor * 256) >> 8
        self.rgb[area] = shaded if factor <= 1 else np.minimum(shaded, 255)

    def stamp(self, other: "Canvas", x0: float, z0: float, window: int = -1) -> None:
        """Copy another canvas with its lower left corner at (x0, z0); materials of glass become `window`."""
        left, bottom = round(x0 * self.density), self.rows - round(z0 * self.density)
        top, right = bottom - other.rows, left + other.columns
        if top < 0 or left < 0 or bottom > self.rows or right > self.columns:
            return
        area = (slice(top, bottom), slice(left, right))
        source, target = _words(other.texels), _words(self.texels)[area]
        np.copyto(target, source, where=source >= 1 << 24)
        if window >= 0:
            np.copyto(target, (source & 0xFFFFFF) | np.uint32(window << 24), where=source >= 255 << 24)

    def polygon(self, points: list[tuple[float, float]], colour: Colour, material: int) -> None:
        """Fill a polygon given in metres."""
        mask = Image.new("L", (self.columns, self.rows))
        corners = [(x * self.density, self.rows - z * self.density) for x, z in points]
        ImageDraw.Draw(mask).polygon(corners, fill=1)
        word = np.array((*colour, material), np.uint8).view(np.uint32)[0]
        np.copyto(_words(self.texels), word, where=np.asarray(mask) > 0)

    def text(self, words: str, x0: float, x1: float, z0: float, z1: float, colour: Colour, material: int) -> None:
        """Write words into a rectangle, as large as fit."""
        rows, columns = self.span(x0, x1, z0, z1)
        height, width = rows.stop - rows.start, columns.stop - columns.start
        ink = _ink(words)
        scale = min(height / ink.shape[0], width / ink.shape[1])
        size = (max(1, int(ink.shape[1] * scale)), max(1, int(ink.shape[0] * scale)))
        if min(size) < 3:
            return
        cover = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BOX), np.float32)[..., None] / 255
        top = rows.start + (height - size[1]) // 2
        left = columns.start + (width - size[0]) // 2
        area = (slice(top, top + size[1]), slice(left, left + size[0]))
        if self.rgb[area].shape[:2] != cover.shape[:2]:
            return
        mixed = self.rgb[area] * (1 - cover) + np.array(colour, np.float32) * cover
        self.rgb[area] = mixed.astype(np.uint8)
        self.material[area] = material

    def texture(self) -> Texture:
        """What has been painted, ready to render."""
        return build_texture(self.texels, self.width, self.height)


def _words(texels: U8) -> U32:
    """(rows, columns, 4) bytes as (rows, columns) texels, sharing memory."""
    return texels.view(np.uint32)[..., 0]


@lru_cache(maxsize=512)
def _ink(words: str) -> U8:
    """The words as a tight 8-bit picture, 40 pixels high or so."""
    font = ImageFont.load_default(40)
    left, top, right, bottom = (int(edge) for edge in font.getbbox(words))
    picture = Image.new("L", (right - left + 2, bottom - top + 2))
    ImageDraw.Draw(picture).text((1 - left, 1 - top), words, fill=255, font=font, stroke_width=1, stroke_fill=255)
    return np.asarray(picture)


@lru_cache(maxsize=64)
def pattern(kind: str, density: float) -> U8:
    """A 12 m x 16 m piece of wall pattern, 128 where neutral; cut and repeated over facades."""
    rows, columns = int(16 * density), int(12 * density)
    noise_rng = np.random.Generator(np.random.PCG64(hash_of(kind)))
    coarse = noise_rng.normal(0, 5, (rows // 16 + 2, columns // 16 + 2)).astype(np.float32)
    smooth = np.asarray(Image.fromarray(coarse).resize((columns, rows), Image.Resampling.BICUBIC))
    level = 128 + smooth + noise_rng.normal(0, 3.0, (rows, columns))
    z = np.arange(rows)[:, None] / density
    x = np.arange(columns)[None, :] / density
    level = level + _joints(kind, x, z, noise_rng, density)
    return np.clip(level, 0, 255).astype(np.uint8)


def hash_of(text: str) -> int:
    """A number that is the same in every run."""
    return int.from_bytes(text.encode()[:8].ljust(8, b"."), "little")


def _joints(
    kind: str,
    x: "np.ndarray[tuple[int, int], np.dtype[np.float64]]",
    z: "np.ndarray[tuple[int, int], np.dtype[np.float64]]",
    rng: np.random.Generator,
    density: float,
) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """Joints between bricks, blocks, panels or boards, and the shade of each of them."""
    sizes = {"brick": (0.5, 0.22), "stone": (1.0, 0.5), "concrete": (3.0, 3.0), "boards": (12.0, 0.3)}
    if kind not in sizes:
        return np.zeros((z.shape[0], x.shape[1]))
    wide, tall = sizes[kind]
    course = (z / tall).astype(int)
    shifted = x + (course % 2) * (wide / 2 if kind in ("brick", "stone") else 0)
    unit = (shifted / wide).astype(int)
    tones = rng.normal(0, {"brick": 11.0, "stone": 9.0, "concrete": 4.0, "boards": 4.0}[kind], (128, 64))
    shade = tones[course % 128, unit % 64]
    joint = (np.mod(z, tall) < 1 / density) | (np.mod(shifted, wide) < 1 / density)
    depth = {"brick": 12.0, "stone": -26.0, "concrete": -30.0, "boards": -24.0}[kind]
    return np.asarray(shade + joint * depth)
