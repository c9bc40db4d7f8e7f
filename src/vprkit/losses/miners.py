"""Which pairs or triplets a loss sees: masks over whole matrices, so that 16,384 remembered vectors are no burden."""

import torch
from torch import Tensor, nn

from vprkit.losses.pairs import Indices, cosines, relations


class MultiSimilarityMiner(nn.Module):
    """Pairs that are harder than the anchor's hardest of the other kind, within `epsilon` (Wang et al., CVPR 2019).

    A negative stays if `s + epsilon` exceeds the least similar positive, a positive if `s - epsilon` is below the most
    similar negative. Without positives an anchor has no negatives, and the other way round.

    Args:
        epsilon: how far beyond the hardest a pair may be.
    """

    def __init__(self, epsilon: float = 0.1) -> None:
        super().__init__()
        self.epsilon = epsilon

    @torch.no_grad()
    def forward(
        self, embeddings: Tensor, labels: Tensor, ref_emb: Tensor | None = None, ref_labels: Tensor | None = None
    ) -> Indices:
        """Four lists of pairs.

        Args:
            embeddings: (B, D) anchors.
            labels: (B,) places.
            ref_emb, ref_labels: (R, D) and (R,) positives and negatives; default the batch, without pairs of an image
                with itself. An anchor's own copy among the references takes part in the least positive.
        """
        similar = cosines(embeddings, ref_emb)
        positive, negative = relations(labels, ref_labels)
        least = similar.masked_fill(~positive, torch.inf).amin(1, keepdim=True)
        most = similar.masked_fill(~negative, -torch.inf).amax(1, keepdim=True)
        far = positive & (similar - self.epsilon < most)
        near = negative & (similar + self.epsilon > least)
        return (*torch.where(far), *torch.where(near))


class HardTripletMiner(nn.Module):
    """Triplets whose negative is at least as similar as the positive, in cosines.

    Args:
        margin: below 0 it leaves out triplets that are wrong by less; above it changes nothing, as published.
    """

    def __init__(self, margin: float = 0.1) -> None:
        super().__init__()
        self.margin = margin

    @torch.no_grad()
    def forward(
        self, embeddings: Tensor, labels: Tensor, ref_emb: Tensor | None = None, ref_labels: Tensor | None = None
    ) -> Indices:
        """Three lists of triplets; arguments as of `MultiSimilarityMiner`."""
        similar = cosines(embeddings, ref_emb)
        positive, negative = relations(labels, ref_labels)
        anchors, positives = torch.where(positive)
        gap = similar[anchors, positives][:, None] - similar[anchors]
        pairs, negatives = torch.where(negative[anchors] & (gap <= min(self.margin, 0.0)))
        return anchors[pairs], positives[pairs], negatives


class BatchHardMiner(nn.Module):
    """One triplet per anchor that has both: its least similar positive, its most similar negative, in cosines.

    Hermans et al., In Defense of the Triplet Loss, arXiv 1703.07737; Pair-VPR classifies the two pairs. Of equal ones
    the first counts.
    """

    @torch.no_grad()
    def forward(
        self, embeddings: Tensor, labels: Tensor, ref_emb: Tensor | None = None, ref_labels: Tensor | None = None
    ) -> Indices:
        """Three lists, by rising anchor; arguments as of `MultiSimilarityMiner`."""
        similar = cosines(embeddings, ref_emb)
        positive, negative = relations(labels, ref_labels)
        anchors = torch.where(positive.any(1) & negative.any(1))[0]
        farthest = similar.masked_fill(~positive, torch.inf).argmin(1)
        nearest = similar.masked_fill(~negative, -torch.inf).argmax(1)
        return anchors, farthest[anchors], nearest[anchors]
