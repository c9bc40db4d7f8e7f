"""Similarities of pairs of image and text, each side with a weight of its own (LaVPR, arXiv 2602.03253)."""

import torch
from torch import Tensor, nn

from vprkit.losses.multi_similarity import MultiSimilarityLoss
from vprkit.losses.pairs import Indices


def fused_similarities(image: Tensor, text: Tensor, weight: Tensor) -> Tensor:
    """(B, B) of (a_i + a_j) / 2 <v_i, v_j> + (b_i + b_j) / 2 <t_i, t_j>.

    Where i has no text it is <v_i, v_j>, as a query without a text is compared.

    Args:
        image, text: (B, Dv) and (B, Dt), inner products are taken as they are; zeros where there is no text.
        weight: (B, 2) shares a of the image and b of the text.
    """
    a, b = weight[:, 0], weight[:, 1]
    silent = (text == 0).all(1, keepdim=True)
    of_images = torch.where(silent, 1.0, (a[:, None] + a) / 2)
    return of_images * (image @ image.T) + (b[:, None] + b) / 2 * (text @ text.T)


class FusedMultiSimilarityLoss(nn.Module):
    """Multi-similarity of weighted similarities; the gradient reaches weights, texts and images.

    Published as `MultiSimilarityLoss_Sij` with alpha 1, beta 50, base 0; pairs are mined on image vectors alone.
    """

    def __init__(self, alpha: float = 1.0, beta: float = 50.0, base: float = 0.0) -> None:
        super().__init__()
        self.loss = MultiSimilarityLoss(alpha, beta, base)

    def forward(self, image: Tensor, text: Tensor, weight: Tensor, indices: Indices) -> Tensor:
        """A scalar from (B, Dv), (B, Dt), (B, 2) and mined pairs."""
        return self.loss.of_similarities(fused_similarities(image, text, weight), indices)
