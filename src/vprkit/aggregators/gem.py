"""Generalised-mean pooling (Radenovic et al., arXiv 1711.02512): between mean (p = 1) and maximum (p to infinity)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vprkit.errors import ConfigError


def generalised_mean(
    values: Tensor, p: Tensor | float, *, eps: float = 1e-6, dim: int | tuple[int, ...] = -2
) -> Tensor:
    """`(mean(max(v, eps)^p))^(1/p)` over the dimensions `dim`, which are removed.

    Args:
        values: any shape; what lies below `eps` counts as `eps`.
        p: the exponent, a number or a tensor that broadcasts against the result.
    """
    return values.clamp(min=eps).pow(p).mean(dim=dim).pow(1.0 / p)


class GeM(nn.Module):
    """Generalised-mean pooling of a feature map with one learned exponent, (B, C, h, w) -> (B, C).

    Args:
        p: initial exponent, learned as the parameter `p` of shape (1,).
        eps: values below it count as it.
        normalise_locations: L2-normalise the channels at every location first (SelaVPR, CosPlace).
        normalise: L2-normalise the pooled vector.
    """

    def __init__(
        self, p: float = 3.0, eps: float = 1e-6, *, normalise_locations: bool = False, normalise: bool = False
    ) -> None:
        super().__init__()
        if p == 0 or eps <= 0:
            raise ConfigError(f"GeM needs an exponent other than 0 and a positive eps, got p={p} and eps={eps}")
        self.p = nn.Parameter(torch.full((1,), float(p)))
        self.eps = eps
        self.normalise_locations = normalise_locations
        self.normalise = normalise

    def forward(self, features: Tensor) -> Tensor:
        if self.normalise_locations:
            features = F.normalize(features, dim=1)
        pooled = generalised_mean(features, self.p, eps=self.eps, dim=(-2, -1))
        return F.normalize(pooled, dim=1) if self.normalise else pooled

    def extra_repr(self) -> str:
        return f"p={float(self.p.detach()):.3g}, eps={self.eps:g}"
