"""Crops of SF-XL's panoramas, whatever size the files have."""

from PIL import Image

from vprkit.data.groups import CROP, PANORAMA


def cut(panorama: Image.Image, column: int) -> Image.Image:
    """The square of a panorama that begins at a column (of 3328, scaled where it is narrower), wrapping round."""
    width, height = panorama.size
    left, wide = column * width // PANORAMA, max(1, CROP * width // PANORAMA)
    piece = panorama.crop((left, 0, min(left + wide, width), height))
    if piece.width == wide:
        return piece
    whole = Image.new(panorama.mode, (wide, height))
    whole.paste(piece, (0, 0))
    whole.paste(panorama.crop((0, 0, wide - piece.width, height)), (piece.width, 0))
    return whole
