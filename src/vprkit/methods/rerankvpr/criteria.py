"""RerankVPR's losses, each with the miner that its program gives it whatever was asked for (specification 5.1)."""

from collections.abc import Callable, Mapping

from vprkit.extras import require
from vprkit.losses.miners import HardTripletMiner, MultiSimilarityMiner
from vprkit.losses.multi_similarity import MultiSimilarityLoss
from vprkit.losses.nca import NCALoss
from vprkit.training.losses import Criterion


def _triplet_margin(margin: float) -> Criterion:
    """Hinge on Euclidean distances of unit vectors, mean over triplets that violate it; hard ones alone are mined."""
    losses = require("train", "pytorch_metric_learning.losses")
    return Criterion(losses.TripletMarginLoss(margin=margin), HardTripletMiner(margin))


def _contrastive(margin: float) -> Criterion:
    """On cosine similarity: positives are pulled up to 1, negatives pushed down to 0."""
    return _contrastive_between(1.0, 0.0, margin)


def _contrastive_official(margin: float) -> Criterion:
    """As published, margins of distances put on similarities: positives are pulled up to 0, negatives left alone."""
    return _contrastive_between(0.0, 1.0, margin)


def _contrastive_between(positive: float, negative: float, margin: float) -> Criterion:
    cosine = require("train", "pytorch_metric_learning.distances").CosineSimilarity()
    losses = require("train", "pytorch_metric_learning.losses")
    loss = losses.ContrastiveLoss(pos_margin=positive, neg_margin=negative, distance=cosine)
    return Criterion(loss, MultiSimilarityMiner(margin))


LOSSES: Mapping[str, Callable[[float], Criterion]] = {
    "multi_similarity": lambda margin: Criterion(MultiSimilarityLoss(2.0, 50.0, 0.5), MultiSimilarityMiner(margin)),
    "triplet_margin": _triplet_margin,
    "contrastive": _contrastive,
    "contrastive_official": _contrastive_official,
    "nca": lambda margin: Criterion(NCALoss(), None),
}
"""Name -> made with the recipe's `margin`."""
