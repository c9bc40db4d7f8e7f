"""Neighbourhood components analysis as a loss (Goldberger et al., NIPS 2004, eq. 4 in its logarithmic form)."""

import torch
from torch import Tensor, nn

from vprkit.losses.pairs import Indices, as_pairs, cosines, relations


class NCALoss(nn.Module):
    """Mean of `-log p`, p the share of an anchor's place in a softmax over minus squared distances of unit vectors.

    Anchors without any positive are left out; where none has one the loss is 0 (pytorch-metric-learning, and with it
    the published program, gives NaN). Among remembered vectors the anchor's own copy counts as one of its place. Where
    a miner or a memory chose pairs, an anchor weighs by how often it occurs in them over the most that any does.

    Args:
        scale: of the distances.
    """

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        indices_tuple: Indices | None = None,
        ref_emb: Tensor | None = None,
        ref_labels: Tensor | None = None,
    ) -> Tensor:
        """A scalar; (B, D) anchors, (B,) places, (R, D) and (R,) references where they are not the batch."""
        same, _ = relations(labels, ref_labels)
        rows = same.any(1).nonzero().flatten()
        # A batch of one image gives 0 as in the published program, whatever is remembered.
        if not len(rows) or len(labels) < 2:
            return embeddings.sum() * 0
        logits = self.scale * (2 * cosines(embeddings, ref_emb) - 2)
        if ref_emb is None:
            logits = logits.masked_fill(torch.eye(len(labels), dtype=torch.bool, device=logits.device), -torch.inf)
        logits, same = logits[rows], same[rows]
        shares = logits.masked_fill(~same, -torch.inf).logsumexp(1) - logits.logsumexp(1)
        return -(shares * _weights(indices_tuple, labels, ref_labels)[rows]).mean()


def _weights(indices: Indices | None, labels: Tensor, reference_labels: Tensor | None) -> Tensor:
    """(B,) how often each anchor occurs in the pairs over the most that any does; ones where nothing was chosen."""
    if indices is None or all(not len(part) for part in indices):
        return torch.ones(len(labels), device=labels.device)
    anchors, _, other_anchors, _ = as_pairs(indices, labels, reference_labels)
    counts = torch.cat([anchors, other_anchors]).bincount(minlength=len(labels)).float()
    return counts / counts.max()
