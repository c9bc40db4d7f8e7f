"""MixVPR: feature maps mixed along their positions (Ali-bey et al., WACV 2023, arXiv 2303.02190)."""

from torch import Tensor, nn

from vprkit.aggregators.unit import unit
from vprkit.errors import ConfigError


class FeatureMixer(nn.Module):
    """One mixing layer with a skip, `x + W2 relu(W1 LN(x))`, along the last axis: (B, C, N) -> (B, C, N)."""

    def __init__(self, positions: int, hidden: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.LayerNorm(positions), nn.Linear(positions, hidden), nn.ReLU(), nn.Linear(hidden, positions)
        )
        for layer in self.mix:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        mixed: Tensor = self.mix(features)
        return features + mixed


class MixVPR(nn.Module):
    """Mixes positions, then projects channels and positions: (B, C, h, w) -> (B, out_channels * out_rows) unit vectors.

    Args:
        in_channels: C.
        in_h: height of the map; positions are weights, so the size is fixed.
        in_w: width of the map.
        out_channels: channels after the projection, the slow axis of the vector.
        out_rows: rows left of the h * w positions, its fast axis.
        mix_depth: mixing layers.
        mlp_ratio: hidden width of a mixing layer over h * w.
    """

    def __init__(
        self,
        in_channels: int = 1024,
        in_h: int = 20,
        in_w: int = 20,
        out_channels: int = 512,
        out_rows: int = 4,
        mix_depth: int = 4,
        mlp_ratio: float = 1.0,
    ) -> None:
        super().__init__()
        if min(in_channels, in_h, in_w, out_channels, out_rows) < 1 or mix_depth < 0 or mlp_ratio <= 0:
            raise ConfigError("MixVPR needs positive sizes: channels, map, rows and mlp_ratio")
        self.map_size = (in_h, in_w)
        positions = in_h * in_w
        hidden = int(positions * mlp_ratio)
        self.mix = nn.Sequential(*[FeatureMixer(positions, hidden) for _ in range(mix_depth)])
        self.channel_proj = nn.Linear(in_channels, out_channels)
        self.row_proj = nn.Linear(positions, out_rows)

    def forward(self, features: Tensor) -> Tensor:
        if tuple(features.shape[-2:]) != self.map_size:
            wanted, found = (" x ".join(map(str, size)) for size in (self.map_size, features.shape[-2:]))
            raise ConfigError(
                f"this MixVPR mixes maps of {wanted} positions, got {found}; resize the images to its size"
            )
        mixed = self.mix(features.flatten(2))
        projected = self.channel_proj(mixed.transpose(1, 2)).transpose(1, 2)
        return unit(self.row_proj(projected).flatten(1))
