"""Textures: colour and material packed into one 32-bit texel, with mip levels, and a cache bounded in bytes.

A texel is R | G << 8 | B << 16 | material << 24; material 0 is transparent. One gather then fetches everything the
renderer needs to know about a surface.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
I32 = npt.NDArray[np.int32]
F32 = npt.NDArray[np.float32]
Colour = tuple[int, int, int]

# Materials: what light, snow and rain do with a surface depends on these.
CLEAR, WALL, ROOF, LEDGE, SIGN, SHOP_GLASS, FOLIAGE, POLE = range(8)
ROAD, PAVEMENT, MARKING, BODY, HEADLIGHT, LAMP, CLOTHES, GRASS = range(8, 16)
TAILLIGHT, TRUNK = 16, 17
FIRST_WINDOW = 24  # 24..255: one number per window, so that each can be lit on its own
WINDOWS = 256 - FIRST_WINDOW


@dataclass(frozen=True)
class Texture:
    """A picture of `width` x `height` metres; all mip levels lie behind each other in `texels`."""

    texels: U32
    offsets: I32
    columns: I32
    rows: I32
    width: float
    height: float

    @property
    def density(self) -> float:
        """Texels per metre of the finest level."""
        return float(self.rows[0]) / self.height

    @property
    def nbytes(self) -> int:
        return int(self.texels.nbytes)


def pack(rgb: U8, material: U8) -> U32:
    """(H, W, 3) colours and (H, W) materials as (H, W) texels."""
    stacked = np.concatenate([rgb, material[..., None]], axis=2)
    return np.ascontiguousarray(stacked).view(np.uint32)[..., 0]


def build_texture(rgb: U8, material: U8, width: float, height: float, levels: int = 6) -> Texture:
    """Pack a painted picture (row 0 at the top) and compute its mip levels."""
    if (material == CLEAR).any() and (material != CLEAR).any():
        # Colour under transparent texels would bleed into the edges of coarser levels.
        rgb = np.where(material[..., None] == CLEAR, rgb[material != CLEAR].mean(axis=0).astype(np.uint8), rgb)
    parts, columns, rows = [pack(rgb, material).ravel()], [rgb.shape[1]], [rgb.shape[0]]
    while len(parts) < levels and min(rgb.shape[:2]) >= 8:
        rgb, material = _halve(rgb, material)
        parts.append(pack(rgb, material).ravel())
        columns.append(rgb.shape[1])
        rows.append(rgb.shape[0])
    starts = np.cumsum([0, *[part.size for part in parts[:-1]]])
    as_int = np.int32
    texels = np.concatenate(parts)
    return Texture(texels, starts.astype(as_int), np.array(columns, as_int), np.array(rows, as_int), width, height)


def _halve(rgb: U8, material: U8) -> tuple[U8, U8]:
    """The next mip level: colours averaged, the material of one texel of four kept."""
    tall, wide = rgb.shape[0] // 2 * 2, rgb.shape[1] // 2 * 2
    a = rgb[:tall, :wide].astype(np.uint16)
    mean = (a[::2, ::2] + a[1::2, ::2] + a[::2, 1::2] + a[1::2, 1::2] + 2) >> 2
    m = material[:tall, :wide]
    first, second = m[::2, ::2], m[1::2, 1::2]
    return mean.astype(np.uint8), np.where(first == CLEAR, second, first)


class TextureCache:
    """The most recently used textures, at most `limit` bytes of them."""

    def __init__(self, limit: int = 96 << 20) -> None:
        self._limit = limit
        self._used = 0
        self._items: OrderedDict[Hashable, Texture] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Texture]) -> Texture:
        """The texture of this key, painted now if it is not at hand."""
        texture = self._items.get(key)
        if texture is not None:
            self._items.move_to_end(key)
            return texture
        texture = make()
        self._items[key] = texture
        self._used += texture.nbytes
        while self._used > self._limit and len(self._items) > 1:
            _, dropped = self._items.popitem(last=False)
            self._used -= dropped.nbytes
        return texture

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        return self._used
