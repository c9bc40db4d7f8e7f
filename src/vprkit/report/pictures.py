"""Pictures for people to look at: upright, small, and never an error."""

import base64
import io
from pathlib import Path

from PIL import Image

from vprkit.data.decoding import decode, open_image

QUALITY = 80


def picture(path: str | Path, box: tuple[int, int], *, enlarge: bool = False) -> Image.Image | None:
    """The photo fitted into a (width, height) box, None where it cannot be read.

    Args:
        path: the photo.
        box: what it must fit into.
        enlarge: fill the box with small photos too.
    """
    try:
        with open_image(path) as opened:
            opened.draft("RGB", (2 * box[0], 2 * box[1]))  # a JPEG decodes at a fraction of its size: much faster
            image = decode(opened, exif_orientation=True)
    except Exception:  # a damaged file can raise nearly anything in its decoder; a report must not fail on it
        return None
    scale = min(box[0] / image.width, box[1] / image.height)
    if scale >= 1 and not enlarge:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)


def jpeg(image: Image.Image) -> bytes:
    """A picture as the bytes of a JPEG file."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


def data_uri(image: Image.Image) -> str:
    """A picture as an address that holds it."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(image)).decode("ascii")
