"""Files, bytes and arrays to 8-bit pictures, with limits on what strangers' files may claim. Loads no torch."""

import functools
import io
import stat
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from vprkit.errors import ImageError, PictureTooLarge, UnknownPicture

MAX_PIXELS = 80_000_000
"""Larger pictures are refused before they are decoded (decompression bombs)."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "GIF")
"""Raster formats only: others that Pillow knows start external programs."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".gif"})

MAX_FILE_BYTES = 512 * 2**20
"""Larger files are no photos."""

Photo = str | Path | bytes | Image.Image | np.ndarray
"""A path, the bytes of a file, a PIL image, or a uint8 array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)."""


def is_image_name(name: str) -> bool:
    """True where the suffix is one of a picture we read."""
    return Path(name).suffix.lower() in SUFFIXES


def read_file(path: str | Path) -> bytes:
    """The bytes of an image file.

    Raises:
        ImageError: missing, unreadable, or larger than `MAX_FILE_BYTES`.
    """
    try:
        facts = Path(path).stat()
        _check_regular(facts.st_mode, str(path))
        if facts.st_size > MAX_FILE_BYTES:
            raise ImageError(f"{path}: {facts.st_size / 1e6:.0f} MB is more than any photo needs", str(path))
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise ImageError(f"{path}: there is no such file", str(path)) from error
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})", str(path)) from error


def _check_regular(mode: int, name: str) -> None:
    """Refuse what waits for somebody who writes: a pipe, a device."""
    if not stat.S_ISREG(mode):
        raise ImageError(f"{name}: is no regular file", name)


def open_image(source: str | Path | bytes, name: str = "", most: int = MAX_PIXELS) -> Image.Image:
    """Open a picture without decoding it; format and size are checked.

    Args:
        source: a path, or the bytes of a file.
        name: what messages call it where `source` is bytes.
        most: pixels; never more than `MAX_PIXELS`.

    Raises:
        UnknownPicture: not a picture of a known format.
        PictureTooLarge: it says that it has more pixels.
        ImageError: missing, or cannot be opened.
    """
    name = name or ("the image given" if isinstance(source, bytes) else str(source))
    _know_formats()
    try:
        if not isinstance(source, bytes):
            _check_regular(Path(source).stat().st_mode, name)
        image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS)
    except ImageError:
        raise
    except FileNotFoundError as error:
        raise ImageError(f"{name}: there is no such file", name) from error
    except UnidentifiedImageError as error:
        raise UnknownPicture(
            f"{name}: not a picture that can be read (JPEG, PNG, WebP, TIFF, BMP, PPM, GIF)", name
        ) from error
    except Image.DecompressionBombError as error:
        raise PictureTooLarge(f"{name}: it claims more pixels than any photo has", name) from error
    except Exception as error:  # damaged files make Pillow raise nearly anything
        raise ImageError(f"{name}: cannot be opened as a picture ({error})", name) from error
    limit = min(most, MAX_PIXELS)
    if image.width * image.height > limit:
        size = f"{image.width}x{image.height}"
        image.close()
        raise PictureTooLarge(
            f"{name}: {size} is more than the limit of {limit / 1e6:g} million pixels; shrink it first", name
        )
    return image


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation, 1 where it is missing or damaged."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1) or 1)
    except Exception:  # a damaged EXIF block does not make the picture unusable
        return 1


def decode(photo: Photo, colour: str = "rgb", exif_orientation: bool = False, name: str = "") -> Image.Image:
    """A photo as an 8-bit RGB or luma picture.

    Args:
        photo: see `Photo`.
        colour: `rgb` or `grey`.
        exif_orientation: turn it as its EXIF block says.
        name: what messages call it (default: its path).

    Raises:
        ImageError: it cannot be read.
    """
    if isinstance(photo, (str, Path)):
        return decode(read_file(photo), colour, exif_orientation, name or str(photo))
    if isinstance(photo, bytes):
        with open_image(photo, name) as opened:
            return _converted(opened, colour, exif_orientation, name or "the image given")
    if isinstance(photo, np.ndarray):
        photo = _from_array(photo, name)
    return _converted(photo, colour, exif_orientation, name or getattr(photo, "filename", "") or "the image given")


@functools.cache
def _know_formats() -> None:
    """Pillow loads most formats only when a file fits none of the common ones; naming them needs all loaded."""
    Image.init()


def _converted(image: Image.Image, colour: str, exif_orientation: bool, name: str) -> Image.Image:
    try:
        if exif_orientation:
            image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):  # 16-bit grey: keep the upper byte, a plain conversion would clip
            image = Image.fromarray((np.asarray(image, dtype=np.uint16) >> 8).astype(np.uint8))
        if image.mode == "P" and "transparency" in image.info:
            image = image.convert("RGBA")
        return image.convert("L" if colour == "grey" else "RGB")
    except Exception as error:  # damaged files make Pillow raise nearly anything
        raise ImageError(f"{name}: cannot be decoded ({error}); the file is damaged or incomplete", name) from error


def _from_array(array: np.ndarray, name: str) -> Image.Image:
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(
            f"{name}{': ' if name else ''}an array must be uint8 of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); "
            f"got {array.dtype} {array.shape}",
            name,
        )
    return Image.fromarray(array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array)
