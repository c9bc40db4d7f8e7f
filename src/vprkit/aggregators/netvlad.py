"""NetVLAD: residuals to learned centres, softly assigned (Arandjelovic et al., CVPR 2016, arXiv 1511.07247, eq. 4)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vprkit.aggregators.unit import unit
from vprkit.errors import ConfigError


class NetVLAD(nn.Module):
    """Soft-assigned residuals, (B, D, N) or (B, D, h, w) channel-normalised features -> (B, D * K) unit vectors.

    The vector is D-major. Scores have no bias: the layout of the authors' converted files.

    Args:
        input_dim: D.
        num_clusters: K.
    """

    def __init__(self, input_dim: int = 512, num_clusters: int = 64) -> None:
        super().__init__()
        if input_dim < 1 or num_clusters < 1:
            raise ConfigError(f"NetVLAD needs positive sizes, got {input_dim} channels and {num_clusters} clusters")
        self.score_proj = nn.Conv1d(input_dim, num_clusters, kernel_size=1, bias=False)
        self.centers = nn.Parameter(torch.empty(input_dim, num_clusters))
        nn.init.xavier_uniform_(self.centers)

    def forward(self, features: Tensor) -> Tensor:
        features = features.flatten(2)
        assignment = F.softmax(self.score_proj(features), dim=1)
        # sum_n a (x - c) as one product less the centres: the (B, D, K, N) residuals are never stored
        summed = features @ assignment.transpose(1, 2)
        residuals = summed - self.centers * assignment.sum(dim=2).unsqueeze(1)
        return unit(F.normalize(residuals, dim=1).flatten(1))
