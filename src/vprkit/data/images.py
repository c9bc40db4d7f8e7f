"""Photos to tensors: the one decode-and-resize path of the library.

Published numbers depend on how a photo is resized, so `vprkit.preprocessing.Preprocessing` describes it and this file
executes it. `load` gives what a worker thread should produce (8-bit where possible, so that little is copied), `finish`
turns a batch of those into normalised float32 on any device; `prepare` is both for one photo. Training takes the two
steps of `finish`, `unit` and `normalise`, and changes the images in between.
"""

import functools
import io
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from vprkit.errors import ConfigError, ImageError, PictureTooLarge, UnknownPicture
from vprkit.preprocessing import Preprocessing

MAX_PIXELS = 80_000_000
"""Larger pictures are refused before they are decoded (decompression bombs)."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "GIF")
"""Raster formats only: others that Pillow knows start external programs."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".gif"})

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}

PictureTransform = Callable[[Image.Image], Image.Image]
"""Changes an 8-bit RGB or luma picture."""

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
        photo = _from_array(photo)
    return _converted(photo, colour, exif_orientation, name or getattr(photo, "filename", "") or "the image given")


def load(
    photo: Photo, preprocessing: Preprocessing, name: str = "", transform: PictureTransform | None = None
) -> Tensor:
    """Decode and resize one photo: (C, H, W), uint8 for the `pil` engine, normalised float32 for the tensor engines.

    Args:
        photo: see `Photo`.
        preprocessing: what the method wants.
        name: what messages call it (default: its path).
        transform: changes the 8-bit picture, for training: after the resize of the `pil` engine, before that of the
            tensor engines, which have no 8-bit picture afterwards. It keeps the size.
    """
    image = decode(photo, preprocessing.colour, preprocessing.exif_orientation, name)
    target = target_size((image.height, image.width), preprocessing)
    if target[0] * target[1] > MAX_PIXELS:
        name = name or (str(photo) if isinstance(photo, (str, Path)) else "the image given")
        raise ImageError(f"{name}: {image.width}x{image.height} would be resized to {target[1]}x{target[0]}", name)
    if preprocessing.engine == "pil":
        if (image.height, image.width) != target:
            image = image.resize((target[1], target[0]), _FILTERS[preprocessing.interpolation])
        tensor = _to_tensor(image if transform is None else transform(image))
        return _centre_crop(tensor, preprocessing)
    tensor = finish(_to_tensor(image if transform is None else transform(image))[None], preprocessing)
    return _centre_crop(_resize_float(tensor, target, preprocessing)[0], preprocessing)


def finish(batch: Tensor, preprocessing: Preprocessing) -> Tensor:
    """A (B, C, H, W) batch of `load`ed images as normalised float32, on the batch's device."""
    return _normalise_in_place(unit(batch), preprocessing) if batch.dtype == torch.uint8 else batch


def unit(batch: Tensor) -> Tensor:
    """A (B, C, H, W) uint8 batch of `load`ed images as float32 in [0, 1], on the batch's device.

    Raises:
        ConfigError: the batch is normalised already, as the tensor engines leave it.
    """
    if batch.dtype != torch.uint8:
        raise ConfigError(f"images in [0, 1] are made from 8-bit ones, got {batch.dtype}; load them with engine=pil")
    return batch.float().div_(255)


def normalise(batch: Tensor, preprocessing: Preprocessing) -> Tensor:
    """A (B, C, H, W) batch in [0, 1] less the mean, over the deviation; the batch itself stays as it is."""
    return _normalise_in_place(batch.clone(), preprocessing)


def prepare(photo: Photo, preprocessing: Preprocessing, name: str = "") -> Tensor:
    """One photo as the network's (C, H, W) float32 input."""
    return finish(load(photo, preprocessing, name)[None], preprocessing)[0]


def target_size(size: tuple[int, int], preprocessing: Preprocessing) -> tuple[int, int]:
    """(height, width) that a photo of `size` is resized to, before any crop."""
    height, width = size
    wanted = preprocessing.size or size
    if preprocessing.fit == "stretch":
        return wanted
    if preprocessing.fit == "central_crop":
        scale = _cover_scale(size, preprocessing)
        return max(1, int(height * scale)), max(1, int(width * scale))
    if preprocessing.fit == "shorter":
        side = min(wanted)
        size = (side, int(side * width / height)) if height <= width else (int(side * height / width), side)
    multiple = preprocessing.multiple
    return _to_multiple(size[0], multiple), _to_multiple(size[1], multiple)


def five_crops(image: Tensor, side: int) -> Tensor:
    """(..., 5, C, side, side): top-left, top-right, bottom-left, bottom-right and centre squares of (..., C, H, W)."""
    height, width = image.shape[-2:]
    if min(height, width) < side:
        raise ImageError(f"five crops of {side} px need an image at least that large, got {height}x{width}")
    bottom, right = height - side, width - side
    middle = (round(bottom / 2), round(right / 2))
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), middle]
    return torch.stack([image[..., top : top + side, left : left + side] for top, left in corners], -4)


def buckets(shapes: Sequence[Sequence[int]], batch_size: int) -> Iterator[list[int]]:
    """Positions of equal shape, at most `batch_size` together, in order of first appearance."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for position, shape in enumerate(shapes):
        groups.setdefault(tuple(shape), []).append(position)
    for group in groups.values():
        for start in range(0, len(group), batch_size):
            yield group[start : start + batch_size]


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


def _from_array(array: np.ndarray) -> Image.Image:
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(
            f"an array must be uint8 of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); "
            f"got {array.dtype} {array.shape}"
        )
    return Image.fromarray(array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array)


def _to_tensor(image: Image.Image) -> Tensor:
    array = np.array(image)
    tensor = torch.from_numpy(array[None] if array.ndim == 2 else array.transpose(2, 0, 1))
    return tensor.contiguous()


def _normalise_in_place(batch: Tensor, preprocessing: Preprocessing) -> Tensor:
    mean, std = _statistics(preprocessing.mean, preprocessing.std, batch.device)
    return batch.sub_(mean).div_(std)


@functools.lru_cache(maxsize=64)
def _statistics(mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """(1, C, 1, 1) mean and deviation, sent to a device once: sending them waits for all that is queued there."""
    with torch.inference_mode(False):  # these outlive the first batch, and training uses them too
        first, second = (torch.tensor(values, device=device).view(1, -1, 1, 1) for values in (mean, std))
    return first, second


def _resize_float(batch: Tensor, target: tuple[int, int], preprocessing: Preprocessing) -> Tensor:
    if tuple(batch.shape[-2:]) == target:
        return batch
    if preprocessing.fit == "central_crop" and preprocessing.interpolation == "nearest":
        # SelaVPR hands over the factor, not the size, and the factor decides which pixels are taken.
        return F.interpolate(batch, scale_factor=_cover_scale(batch.shape[-2:], preprocessing), mode="nearest")
    if preprocessing.interpolation == "nearest":
        return F.interpolate(batch, target, mode="nearest")
    return F.interpolate(
        batch,
        target,
        mode=preprocessing.interpolation,
        align_corners=False,
        antialias=preprocessing.engine == "tensor_antialias",
    )


def _cover_scale(size: Sequence[int], preprocessing: Preprocessing) -> float:
    wanted = preprocessing.size or (size[0], size[1])
    return max(wanted[0] / size[0], wanted[1] / size[1])


def _centre_crop(image: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Crop to size; a side that rounding left short is padded with zeros, as the published transform does."""
    if preprocessing.fit != "central_crop" or preprocessing.size is None:
        return image
    height, width = preprocessing.size
    short_y, short_x = max(0, height - image.shape[-2]), max(0, width - image.shape[-1])
    if short_y or short_x:
        image = F.pad(image, (short_x // 2, (short_x + 1) // 2, short_y // 2, (short_y + 1) // 2))
    top, left = round((image.shape[-2] - height) / 2), round((image.shape[-1] - width) / 2)
    return image[:, top : top + height, left : left + width]


def _to_multiple(side: int, multiple: int) -> int:
    return max(multiple, round(side / multiple) * multiple)
