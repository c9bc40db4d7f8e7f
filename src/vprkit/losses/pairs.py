"""Pairs and triplets of a batch: who shows the same place as whom, in the batch itself or among remembered vectors.

Indices are what pytorch-metric-learning's losses and miners exchange: (anchors, positives, anchors, negatives) or
triplets (anchors, positives, negatives). Anchors count rows of the batch, the others rows of the reference set, which
is the batch where none is given.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

Indices = tuple[Tensor, ...]
"""Four lists of pairs, or three of triplets; (T,) int64 each."""


def cosines(embeddings: Tensor, references: Tensor | None = None) -> Tensor:
    """(B, R) cosine similarities of (B, D) vectors to (R, D) others, or to each other."""
    unit = F.normalize(embeddings, dim=1)
    return unit @ (unit if references is None else F.normalize(references, dim=1)).T


def relations(labels: Tensor, reference_labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """(B, R) bool twice: of the same place, and of different ones; without a reference nobody is his own positive."""
    others = labels if reference_labels is None else reference_labels
    same = labels[:, None] == others[None]
    if reference_labels is None:
        return same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device), ~same
    return same, ~same


def all_pairs(labels: Tensor, reference_labels: Tensor | None = None) -> Indices:
    """Every positive and every negative pair, as four lists."""
    positive, negative = relations(labels, reference_labels)
    return (*torch.where(positive), *torch.where(negative))


def as_pairs(indices: Indices | None, labels: Tensor, reference_labels: Tensor | None = None) -> Indices:
    """Four lists of pairs from pairs, triplets, or None for all pairs."""
    if indices is None:
        return all_pairs(labels, reference_labels)
    if len(indices) == 4:
        return indices
    anchors, positives, negatives = indices
    return anchors, positives, anchors, negatives


def marked(rows: Tensor, columns: Tensor, like: Tensor) -> Tensor:
    """Bool of the shape of `like`, True at the pairs given."""
    mask = torch.zeros(like.shape, dtype=torch.bool, device=like.device)
    mask[rows, columns] = True
    return mask
