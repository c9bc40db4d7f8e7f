"""Precision-recall of a place recogniser that may answer "I do not know" below a score threshold."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PrecisionRecall:
    """Precision and recall at every threshold that changes them, from the strictest on.

    The best hit of each query is accepted where its score reaches the threshold. Precision is the share of accepted
    answers that are right, recall the share of answerable queries that are answered rightly.

    Attributes:
        thresholds, precision, recall: (T,), thresholds descending.
        auc: area under the curve by steps (average precision), exact: no grid of thresholds.
        recall_at_full_precision: highest recall without a single wrong answer (R@100P).
    """

    thresholds: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    auc: float
    recall_at_full_precision: float


def precision_recall(scores: np.ndarray, right: np.ndarray, answerable: int) -> PrecisionRecall:
    """The curve of (Q,) top-1 scores and whether each top-1 answer is right.

    Args:
        scores: (Q,) higher is better.
        right: (Q,) bool.
        answerable: queries that have a positive at all.
    """
    thresholds, accepted, rights = accepted_down_to(scores, right)
    precision = rights / accepted
    recall = rights / max(1, answerable)
    auc = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    spotless = recall[precision == 1.0]
    return PrecisionRecall(thresholds, precision, recall, auc, float(spotless.max()) if spotless.size else 0.0)


def accepted_down_to(scores: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(T,) thresholds descending, and how many answers reach each, and how many of these are right.

    Args:
        scores: (Q,) higher is better; equal ones are accepted together.
        right: (Q,) bool.
    """
    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)) if len(scores) else np.zeros(0, int)
    return scores[order][last_of_ties], last_of_ties + 1, np.cumsum(right[order])[last_of_ties]
