"""Aggregators of token sequences from LaVPR's sibling experiments: SALAD on tokens, plain and with cosine scores.

Token 0 stands for the whole (class token or first text token), the others are transported to clusters and a dustbin.
Which tokens count, and how much, is said by weights or a mask; both given, weights win (LaVPR specification 11.9).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vprkit.aggregators.sinkhorn import log_sinkhorn, with_dustbin
from vprkit.aggregators.unit import unit
from vprkit.errors import ConfigError

_TEMPERATURE = 0.1
_STEPS = 5


def _pool(
    scores: Tensor, dustbin: Tensor, residuals: Callable[[Tensor, Tensor], Tensor], mask: Tensor | None,
    weights: Tensor | None,
) -> Tensor:  # fmt: skip
    """(B, m, n) scores -> (B, m, D) sums; clusters and dustbin take equal shares, tokens give `weights` or `mask`."""
    clusters, positions = scores.shape[1:]
    log_rows = scores.new_full((clusters + 1,), -math.log(clusters + 1))
    if weights is not None:
        log_columns = (weights + 1e-9).log()
    elif mask is not None:
        kept = mask.to(scores.dtype)
        log_columns = (kept + 1e-8).log() - kept.sum(dim=1, keepdim=True).log()
    else:
        log_columns = scores.new_full((positions,), -math.log(positions))
    plan = log_sinkhorn(with_dustbin(scores, dustbin) / _TEMPERATURE, log_rows, log_columns, _STEPS)[:, :-1].exp()
    return residuals(plan, plan.sum(dim=2, keepdim=True))


class TokenSalad(nn.Module):
    """(B, 1 + n, C) tokens -> (B, token_dim + num_clusters * cluster_dim) unit vectors, clusters major.

    Args:
        num_channels: C.
        num_clusters: m.
        cluster_dim: width of projected tokens and anchors.
        token_dim: width of token 0's part, which comes first.
    """

    def __init__(self, num_channels: int, num_clusters: int, cluster_dim: int, token_dim: int) -> None:
        super().__init__()
        if min(num_channels, num_clusters, cluster_dim, token_dim) < 1:
            raise ConfigError("TokenSalad needs positive sizes")
        self.f_proj = nn.Linear(num_channels, cluster_dim)
        self.score_proj = nn.Linear(num_channels, num_clusters)
        self.token_proj = nn.Linear(num_channels, token_dim)
        self.anchors = nn.Parameter(torch.randn(num_clusters, cluster_dim) * cluster_dim**-0.5)
        self.sharpness = nn.Parameter(torch.tensor(1.0))
        self.dust_bin = nn.Parameter(torch.tensor(1.0))

    def forward(self, tokens: Tensor, mask: Tensor | None = None, weights: Tensor | None = None) -> Tensor:
        """Mask and weights are (B, n): they leave token 0 out."""
        features = self.f_proj(tokens[:, 1:])
        scores = self.sharpness * self.score_proj(tokens[:, 1:]).transpose(1, 2)
        pooled = _pool(
            scores, self.dust_bin, lambda plan, share: 2 * plan @ features - share * self.anchors, mask, weights
        )
        return unit(torch.cat([self.token_proj(tokens[:, 0]), pooled.flatten(1)], dim=1))


class CosineTokenSalad(nn.Module):
    """The same with LayerNorm first and cosines to score anchors; sizes as of `TokenSalad`."""

    def __init__(self, num_channels: int, num_clusters: int, cluster_dim: int, token_dim: int) -> None:
        super().__init__()
        if min(num_channels, num_clusters, cluster_dim, token_dim) < 1:
            raise ConfigError("CosineTokenSalad needs positive sizes")
        self.ln = nn.LayerNorm(num_channels)
        self.f_proj = nn.Linear(num_channels, cluster_dim)
        self.s_proj = nn.Linear(num_channels, num_channels)
        self.token_proj = nn.Linear(num_channels, token_dim)
        self.score_anchors = nn.Parameter(torch.randn(num_clusters, num_channels))
        self.agg_anchors = nn.Parameter(torch.randn(num_clusters, cluster_dim) * cluster_dim**-0.5)
        self.temperature = nn.Parameter(torch.tensor(1.0))
        self.dust_bin = nn.Parameter(torch.tensor(1.0))

    def forward(self, tokens: Tensor, mask: Tensor | None = None, weights: Tensor | None = None) -> Tensor:
        """Mask and weights are (B, n): they leave token 0 out."""
        tokens = self.ln(tokens)
        features = self.f_proj(tokens[:, 1:])
        directions = F.normalize(self.s_proj(tokens[:, 1:]), dim=-1)
        scores = self.temperature * F.normalize(self.score_anchors, dim=-1) @ directions.transpose(1, 2)
        pooled = _pool(
            scores, self.dust_bin, lambda plan, share: plan @ features - share * self.agg_anchors, mask, weights
        )
        return unit(torch.cat([self.token_proj(tokens[:, 0]), pooled.flatten(1)], dim=1))
