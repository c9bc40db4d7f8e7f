"""Losses between the images and the texts of one batch: LaVPR's cross-modal multi-similarity and contrast."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vprkit.losses.image_text import supervised_contrast
from vprkit.losses.miners import MultiSimilarityMiner
from vprkit.losses.multi_similarity import MultiSimilarityLoss


class CrossModalMultiSimilarity(nn.Module):
    """Multi-similarity of images with texts (LaVPR, arXiv 2602.03253): anchors are images, references texts.

    An image and its own text are a positive pair, as are an image and the text of another image of its place. Pairs are
    mined as in metric learning, among images x texts.

    Args:
        alpha: steepness for positives.
        beta: steepness for negatives.
        base: similarity that pairs are measured from; 0 in LaVPR's sibling programs.
        epsilon: how far beyond the hardest a mined pair may be.
        both: texts are anchors too, and the two losses are averaged; published: images alone.
    """

    def __init__(
        self, alpha: float = 2.0, beta: float = 40.0, base: float = 0.5, epsilon: float = 0.1, *, both: bool = False
    ) -> None:
        super().__init__()
        self.loss = MultiSimilarityLoss(alpha, beta, base)
        self.miner = MultiSimilarityMiner(epsilon)
        self.both = both

    def forward(self, images: Tensor, texts: Tensor, labels: Tensor) -> Tensor:
        """A scalar from (B, D) images, the (B, D) texts of the same photos and the (B,) places of both."""
        one = self._anchored(images, texts, labels)
        return (one + self._anchored(texts, images, labels)) / 2 if self.both else one

    def _anchored(self, anchors: Tensor, references: Tensor, labels: Tensor) -> Tensor:
        mined = self.miner(anchors, labels, references, labels)
        value: Tensor = self.loss(anchors, labels, mined, references, labels)
        return value


class SymmetricContrast(nn.Module):
    """Cross-entropy of images with texts and of texts with images, each image's own text being right.

    Raw inner products are divided by a temperature that learns; before every use it is clamped in place.

    Args:
        temperature: at the start.
        least, most: bounds of the clamp.
        places: texts of other images of the same place are right too (supervised contrast); published: they are wrong.
    """

    def __init__(
        self, temperature: float = 0.07, least: float = 0.01, most: float = 0.5, *, places: bool = False
    ) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.tensor(temperature))
        self.least, self.most, self.places = least, most, places

    def forward(self, images: Tensor, texts: Tensor, labels: Tensor | None = None) -> Tensor:
        """A scalar from (B, D) images, the (B, D) texts of the same photos and, for `places`, (B,) places of both."""
        with torch.no_grad():
            self.temperature.clamp_(self.least, self.most)
        if self.places and labels is not None:
            scaled = images / self.temperature
            one = supervised_contrast(scaled, texts, labels, labels)
            return (one + supervised_contrast(texts, scaled, labels, labels)) / 2
        logits = images @ texts.T / self.temperature
        own = torch.arange(len(images), device=images.device)
        return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
