"""SALAD: features transported to clusters and a dustbin (Izquierdo and Civera, CVPR 2024, arXiv 2311.15937)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vprkit.aggregators.sinkhorn import log_sinkhorn, with_dustbin
from vprkit.aggregators.unit import unit
from vprkit.errors import ConfigError


class Salad(nn.Module):
    """Sinkhorn-assigned sums of projected features beside the projected class token.

    Args:
        num_channels: C of map and token.
        num_clusters: m.
        cluster_dim: l, width of a cluster's sum.
        token_dim: g, width of the token's part, which comes first.
        mlp_dim: hidden width of the three small networks; 512 in released files.
        dropout: in the two convolutional ones.
        steps: Sinkhorn steps.
    """

    def __init__(
        self,
        num_channels: int = 768,
        num_clusters: int = 64,
        cluster_dim: int = 128,
        token_dim: int = 256,
        mlp_dim: int = 512,
        dropout: float = 0.3,
        steps: int = 3,
    ) -> None:
        super().__init__()
        if min(num_channels, num_clusters, cluster_dim, token_dim, mlp_dim, steps) < 1:
            raise ConfigError("SALAD needs positive sizes, one cluster and one Sinkhorn step at least")
        self.steps = steps
        self.dim = token_dim + num_clusters * cluster_dim
        self.token_features = nn.Sequential(nn.Linear(num_channels, mlp_dim), nn.ReLU(), nn.Linear(mlp_dim, token_dim))
        self.cluster_features = _small_network(num_channels, mlp_dim, cluster_dim, dropout)
        self.score = _small_network(num_channels, mlp_dim, num_clusters, dropout)
        self.dust_bin = nn.Parameter(torch.tensor(1.0))

    def forward(self, features: Tensor, token: Tensor) -> Tensor:
        """(B, C, h, w) map and (B, C) class token -> (B, token_dim + cluster_dim * num_clusters) unit vectors.

        The second part is cluster_dim-major.
        """
        values = self.cluster_features(features).flatten(2)
        assignment = self.log_assignment(self.scores(features))[:, :-1].exp()
        # one batched product: the (B, l, m, n) tensor of all products is never stored
        clusters = F.normalize(values.to(assignment.dtype) @ assignment.transpose(1, 2), dim=1)
        parts = [F.normalize(self.token_features(token).to(clusters.dtype), dim=1), clusters.flatten(1)]
        return unit(torch.cat(parts, dim=1))

    def scores(self, features: Tensor) -> Tensor:
        """(B, m, n) scores of n = h * w positions, without the dustbin."""
        scores: Tensor = self.score(features).flatten(2)
        return scores

    def log_assignment(self, scores: Tensor) -> Tensor:
        """(B, m, n) scores -> (B, m + 1, n) logarithms of the assignment, the dustbin's row last.

        Every position gives 1; every cluster takes 1, the dustbin the n - m that are left.

        Raises:
            ConfigError: there are not more positions than clusters.
        """
        clusters, positions = scores.shape[1:]
        if positions <= clusters:
            raise ConfigError(
                f"SALAD needs more positions than its {clusters} clusters, the map has {positions}; use larger images"
            )
        total = math.log(positions + clusters)
        log_rows = scores.new_full((clusters + 1,), -total, dtype=torch.float32)
        log_rows[-1] += math.log(positions - clusters)
        log_columns = scores.new_full((positions,), -total, dtype=torch.float32)
        return log_sinkhorn(with_dustbin(scores, self.dust_bin), log_rows, log_columns, self.steps) + total


def _small_network(channels: int, hidden: int, out: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, hidden, 1), nn.Dropout(dropout), nn.ReLU(), nn.Conv2d(hidden, out, 1))
