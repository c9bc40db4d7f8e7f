"""ConvAP: 1x1 convolution and adaptive average pooling (Ali-bey et al., "GSV-Cities", Neurocomputing 2022)."""

from torch import Tensor, nn
from torch.nn import functional as F

from vprkit.aggregators.unit import unit
from vprkit.errors import ConfigError


class ConvAP(nn.Module):
    """Fewer channels, then means over s1 x s2 regions: (B, C, h, w) -> (B, out_channels * s1 * s2) unit vectors.

    Args:
        in_channels: C.
        out_channels: channels after the 1x1 convolution, the slow axis of the vector.
        s1: regions along the height; they overlap where h is no multiple.
        s2: regions along the width.
    """

    def __init__(self, in_channels: int = 2048, out_channels: int = 512, s1: int = 2, s2: int = 2) -> None:
        super().__init__()
        if min(in_channels, out_channels, s1, s2) < 1:
            raise ConfigError("ConvAP needs at least one channel and one region along each side")
        self.regions = (s1, s2)
        self.channel_pool = nn.Conv2d(in_channels, out_channels, kernel_size=1)

    def forward(self, features: Tensor) -> Tensor:
        pooled = F.adaptive_avg_pool2d(self.channel_pool(features), self.regions)
        return unit(pooled.flatten(1))
