"""What Pair-VPR's first stage hides of an image, and what it has to say about it."""

import torch
from torch import Tensor


def hidden_patches(noise: Tensor, ratio: float) -> Tensor:
    """(B, N) bool, True for the `int(ratio * N)` patches of every image that are hidden.

    As published the order of the noise is compared, not the ranks: as random, but another set of patches.

    Args:
        noise: (B, N) uniform random numbers.
        ratio: share of the patches.
    """
    return noise.argsort(1) < int(ratio * noise.shape[1])


def draw_mask(images: int, patches: int, ratio: float) -> Tensor:
    """(images, patches) mask from torch's global generator on the CPU: the same on every device."""
    return hidden_patches(torch.rand(images, patches), ratio)


def patches_of(images: Tensor, patch: int) -> Tensor:
    """(B, 3, H, W) -> (B, N, patch * patch * 3): patches row by row, each ordered by row, column, channel."""
    count, channels, height, width = images.shape
    cells = images.reshape(count, channels, height // patch, patch, width // patch, patch)
    return cells.permute(0, 2, 4, 3, 5, 1).reshape(count, -1, patch * patch * channels)


def image_of(patches: Tensor, patch: int, grid: tuple[int, int]) -> Tensor:
    """The inverse of `patches_of`: (B, h * w, patch * patch * C) -> (B, C, H, W); `grid` is (h, w)."""
    cells = patches.reshape(len(patches), *grid, patch, patch, -1)
    return cells.permute(0, 5, 1, 3, 2, 4).reshape(len(patches), -1, grid[0] * patch, grid[1] * patch)
