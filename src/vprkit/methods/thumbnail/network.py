"""The thumbnail descriptor as a module without parameters."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class ThumbnailConfig:
    """No options: the size is the preprocessing's."""


class Thumbnail(nn.Module):
    """Pixels, mean removed, L2-normalised."""

    def __init__(self, config: ThumbnailConfig | None = None) -> None:
        super().__init__()

    def forward(self, images: Tensor) -> Tensor:
        """(B, 1, H, W) grey images to (B, H * W) unit vectors."""
        pixels = images.flatten(1)
        return F.normalize(pixels - pixels.mean(1, keepdim=True), dim=1)
