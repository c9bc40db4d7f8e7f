"""HOG: histograms of oriented gradients on grids of cells, batched on any device (Dalal and Triggs, CVPR 2005)."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vprkit.config import option
from vprkit.errors import ConfigError


@dataclass(frozen=True)
class HogConfig:
    """Options of the HOG descriptor."""

    cells: tuple[int, ...] = option(
        (3, 5, 8), "grids of n x n cells, side by side: coarse ones forgive a changed viewpoint"
    )
    bins: int = option(8, "orientation bins over half a turn: the sign of an edge is ignored, night and day swap it")
    power: float = option(1.0, "exponent on gradient magnitudes: below 1, strong edges weigh less")
    clip: float = option(0.2, "largest value of a block after normalising (L2-hys)")

    def __post_init__(self) -> None:
        if not self.cells or min(self.cells) < 2:
            raise ConfigError(f"cells must be grids of at least 2 x 2, got {list(self.cells)}")
        if self.bins < 1 or self.power <= 0 or self.clip <= 0:
            raise ConfigError("bins must be at least 1, power and clip above 0")


class Hog(nn.Module):
    """Gradient histograms per cell, normalised over 2 x 2 blocks, one grid after the other."""

    def __init__(self, config: HogConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, images: Tensor) -> Tensor:
        """(B, 1, H, W) grey images to (B, sum over grids of (n - 1)^2 * 4 * bins) unit vectors."""
        votes = self._votes(images.float())
        grids = [self._blocks(F.adaptive_avg_pool2d(votes, (cells, cells))) for cells in self.config.cells]
        return F.normalize(torch.cat(grids, 1), dim=1)

    def _votes(self, images: Tensor) -> Tensor:
        """(B, bins, H, W): gradient magnitude, split between the two nearest orientations."""
        padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
        dx = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
        dy = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
        magnitude = (dx * dx + dy * dy).sqrt().pow(self.config.power)
        position = torch.remainder(torch.atan2(dy, dx) / math.pi, 1.0) * self.config.bins
        lower = position.floor()
        upper_share = position - lower
        return self._one_hot(lower) * (magnitude * (1 - upper_share)) + self._one_hot(lower + 1) * (
            magnitude * upper_share
        )

    def _one_hot(self, indices: Tensor) -> Tensor:
        numbers = torch.arange(self.config.bins, device=indices.device, dtype=indices.dtype).view(1, -1, 1, 1)
        return (torch.remainder(indices, self.config.bins) == numbers).to(indices.dtype)

    def _blocks(self, histograms: Tensor) -> Tensor:
        """(B, (n - 1)^2 * 4 * bins) unit vectors: 2 x 2 cells normalised, clipped and normalised again."""
        blocks = F.normalize(F.unfold(histograms, kernel_size=2), dim=1, eps=1e-6).clamp(max=self.config.clip)
        return F.normalize(F.normalize(blocks, dim=1, eps=1e-6).flatten(1), dim=1)
