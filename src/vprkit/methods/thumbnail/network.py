"""The thumbnail descriptor as a module without parameters."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from vprkit.config import option
from vprkit.errors import ConfigError


@dataclass(frozen=True)
class ThumbnailConfig:
    """Options of the thumbnail."""

    side: int = option(32, "pixels per side of the descriptor")

    def __post_init__(self) -> None:
        if self.side < 2:
            raise ConfigError(f"side must be at least 2, got {self.side}")


class Thumbnail(nn.Module):
    """Pixels, mean removed, L2-normalised."""

    def __init__(self, config: ThumbnailConfig) -> None:
        super().__init__()
        self.side = config.side

    def forward(self, images: Tensor) -> Tensor:
        """(B, 1, H, W) grey images to (B, side * side) unit vectors; images of another size are averaged down to it."""
        pixels = F.adaptive_avg_pool2d(images, (self.side, self.side)).flatten(1)
        return F.normalize(pixels - pixels.mean(1, keepdim=True), dim=1)
