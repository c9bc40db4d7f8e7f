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


def build_texture(texels: U8, width: float, height: float, levels: int = 6) -> Texture:
    """Compute the mip levels of a painted picture.

    Args:
        texels: (H, W, 4) red, green, blue and material; row 0 at the top.
        width, height: in metres.
    """
    drawn = texels[..., 3] != CLEAR
    if not drawn.all() and drawn.any():
        # Colour under transparent texels would bleed into the edges of coarser levels.
        mean = texels[drawn].mean(axis=0).astype(np.uint8)
        mean[3] = CLEAR
        texels = np.where(drawn[..., None], texels, mean)
    pieces = [texels]
    while len(pieces) < levels and min(pieces[-1].shape[:2]) >= 8:
        pieces.append(_halve(pieces[-1]))
    flat = [np.ascontiguousarray(piece).view(np.uint32).ravel() for piece in pieces]
    starts = np.cumsum([0, *[piece.size for piece in flat[:-1]]]).astype(np.int32)
    columns = np.array([piece.shape[1] for piece in pieces], np.int32)
    rows = np.array([piece.shape[0] for piece in pieces], np.int32)
    return Texture(np.concatenate(flat), starts, columns, rows, width, height)


def _halve(texels: U8) -> U8:
    """The next mip level: colours averaged, the material of one texel of four kept."""
    a = texels[: texels.shape[0] // 2 * 2, : texels.shape[1] // 2 * 2]
    total = a[::2, ::2].astype(np.uint16)
    for rows, columns in ((1, 0), (0, 1), (1, 1)):
        total += a[rows::2, columns::2]
    total += 2
    total >>= 2
    half = total.astype(np.uint8)
    first, second = a[::2, ::2, 3], a[1::2, 1::2, 3]
    half[..., 3] = np.where(first == CLEAR, second, first)
    return half


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
