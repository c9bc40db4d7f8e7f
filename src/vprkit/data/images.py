"""Photos to tensors: the one decode-and-resize path of the library (`decoding` is its first half).

Published numbers depend on how a photo is resized, so `vprkit.preprocessing.Preprocessing` describes it and this file
executes it. `load` gives what a worker thread should produce (8-bit where possible, so that little is copied), `finish`
turns a batch of those into normalised float32 on any device; `prepare` is both for one photo. Training takes the two
steps of `finish`, `unit` and `normalise`, and changes the images in between.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from vprkit.data.decoding import MAX_PIXELS, Photo, decode
from vprkit.errors import ConfigError, ImageError
from vprkit.preprocessing import Preprocessing

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}

PictureTransform = Callable[[Image.Image], Image.Image]
"""Changes an 8-bit RGB or luma picture."""


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
