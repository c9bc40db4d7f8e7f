"""Multi-similarity loss (Wang et al., CVPR 2019, eq. 16), whose negatives may have weights."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from vprkit.losses.pairs import Indices, as_pairs, cosines, marked


class WeighingLoss(nn.Module, ABC):
    """A loss that can count negatives by weights: what a memory's decay needs."""

    @abstractmethod
    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        indices_tuple: Indices | None = None,
        ref_emb: Tensor | None = None,
        ref_labels: Tensor | None = None,
        log_weights: Tensor | None = None,
    ) -> Tensor:
        """A scalar.

        Args:
            embeddings: (B, D) anchors.
            labels: (B,) places.
            indices_tuple: pairs or triplets that a miner chose; None for all pairs.
            ref_emb, ref_labels: (R, D) and (R,) positives and negatives; default the batch.
            log_weights: (R,) logarithm of what each counts as a negative; None for one each.
        """


class MultiSimilarityLoss(WeighingLoss):
    """`log(1 + sum_p exp(-alpha (s - base))) / alpha + log(1 + sum_n w exp(beta (s - base))) / beta`, s being cosines.

    The mean over anchors; all of them count, also those without pairs. Weights enter as `exp(beta (s - base) +
    log w)`: everything stays inside log-sum-exp, no exponential overflows. Where each of the four lists has one pair at
    most the loss is 0, as in pytorch-metric-learning.

    Args:
        alpha: steepness for positives.
        beta: steepness for negatives.
        base: similarity that pairs are measured from.
    """

    def __init__(self, alpha: float = 2.0, beta: float = 50.0, base: float = 0.5) -> None:
        super().__init__()
        self.alpha, self.beta, self.base = alpha, beta, base

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        indices_tuple: Indices | None = None,
        ref_emb: Tensor | None = None,
        ref_labels: Tensor | None = None,
        log_weights: Tensor | None = None,
    ) -> Tensor:
        indices = as_pairs(indices_tuple, labels, ref_labels)
        return self.of_similarities(cosines(embeddings, ref_emb), indices, log_weights)

    def of_similarities(self, similar: Tensor, indices: Indices, log_weights: Tensor | None = None) -> Tensor:
        """The loss of (B, R) similarities, however they were made.

        Args:
            similar: of every anchor to every reference.
            indices: four lists of pairs.
            log_weights: as of `forward`.
        """
        if all(len(part) <= 1 for part in indices):
            return similar.sum() * 0
        anchors, positives, other_anchors, negatives = indices
        towards = -self.alpha * (similar - self.base)
        away = self.beta * (similar - self.base)
        if log_weights is not None:
            away = away + log_weights
        losses = (
            _log_one_plus(towards, marked(anchors, positives, similar)) / self.alpha
            + _log_one_plus(away, marked(other_anchors, negatives, similar)) / self.beta
        )
        return losses.mean()


def _log_one_plus(exponents: Tensor, mask: Tensor) -> Tensor:
    """(B,) logarithm of 1 + the sum of exp over the masked columns of (B, R)."""
    kept = exponents.masked_fill(~mask, -torch.inf)
    one = kept.new_zeros(len(kept), 1)
    return torch.cat([kept, one], dim=1).logsumexp(dim=1)
