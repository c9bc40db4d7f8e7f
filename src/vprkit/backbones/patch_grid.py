"""Bringing images to the patch grid of a vision transformer."""

from torch import Tensor
from torch.nn import functional as F


def to_patch_grid(images: Tensor, patch: int = 14) -> Tensor:
    """(B, 3, H, W) images whose sides are multiples of `patch`: the nearest ones, by antialiased bilinear resizing.

    Halves go to the even multiple (Python's rounding), as the published SALAD and MegaLoc wrappers have it: 63 px
    become 56. Images on the grid are given back as they are.
    """
    height, width = (max(1, round(side / patch)) * patch for side in images.shape[-2:])
    return resize(images, (height, width))


def resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, 3, H, W) float images at another size, bilinear, antialiased; as they are where the size is right."""
    if tuple(images.shape[-2:]) == size:
        return images
    return F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)
