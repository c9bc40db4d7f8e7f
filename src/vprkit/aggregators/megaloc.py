"""MegaLoc's aggregation: SALAD, one linear layer, unit length (Berton and Masone, 2025, arXiv 2502.17237)."""

from torch import Tensor, nn

from vprkit.aggregators.salad import Salad
from vprkit.aggregators.unit import unit
from vprkit.errors import ConfigError


class MegaLocHead(nn.Module):
    """(B, C, h, w) map and (B, C) class token -> (B, feat_dim) unit vectors.

    Args:
        feat_dim: width of the descriptor.
        salad: what comes before the linear layer.
    """

    def __init__(self, feat_dim: int, salad: Salad) -> None:
        super().__init__()
        if feat_dim < 1:
            raise ConfigError(f"feat_dim must be positive, got {feat_dim}")
        self.agg = salad
        self.linear = nn.Linear(salad.dim, feat_dim)

    def forward(self, features: Tensor, token: Tensor) -> Tensor:
        return unit(self.linear(self.agg(features, token)))
