"""Classification of places with a margin on the cosine: CosFace (Wang et al., CVPR 2018), as CosPlace uses it."""

import torch
from torch import Tensor, nn

from vprkit.errors import ConfigError

EPSILON = 1e-8
"""Least product of two lengths, as in the published program; a zero vector is at cosine 0 of everything."""


class CosFace(nn.Module):
    """Logits of K classes, `scale (cos_ij - margin [i is of class j])`.

    Args:
        dim: width D of a descriptor.
        classes: K.
        scale: s; CosPlace and ProGEO 30, EigenPlaces 100.
        margin: m, how much nearer than its rivals the own class must be.

    Raises:
        ConfigError: a size is not positive.
    """

    def __init__(self, dim: int, classes: int, scale: float = 30.0, margin: float = 0.4) -> None:
        super().__init__()
        if dim < 1 or classes < 1 or scale <= 0:
            raise ConfigError(f"CosFace needs positive sizes and scale, got dim={dim}, classes={classes}, {scale=}")
        self.weight = nn.Parameter(torch.empty(classes, dim))
        nn.init.xavier_uniform_(self.weight)
        self.scale, self.margin = scale, margin

    def cosines(self, features: Tensor) -> Tensor:
        """(B, D) descriptors -> (B, K) cosines with the classes."""
        lengths = torch.outer(features.norm(dim=1), self.weight.norm(dim=1))
        return features @ self.weight.T / lengths.clamp(min=EPSILON)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """(B, D) descriptors and (B,) class numbers -> (B, K) logits for a cross-entropy."""
        cosines = self.cosines(features)
        own = torch.zeros_like(cosines).scatter_(1, labels[:, None], 1.0)
        return self.scale * (cosines - self.margin * own)

    def extra_repr(self) -> str:
        return f"classes={self.weight.shape[0]}, scale={self.scale:g}, margin={self.margin:g}"
