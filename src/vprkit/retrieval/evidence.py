"""What the first hits of an answer say about whether it is right: numbers made of their scores and positions alone.

The same function serves a saved evaluation and a map that answers, so that a calibration fitted on the one holds for
the other.
"""

import numpy as np

from vprkit.data import geo

DEPTH = 10
"""First hits that are looked at, where there are so many."""

LEAST = 5
"""Fewer hits say too little."""

PLACE_METRES = 25.0
"""Hits this near to the first one show the same place."""

MEANINGS = {
    "score": "the score of the first hit",
    "lead": "how far the first hit's score lies above that of the best hit at another place",
    "lead_in_spreads": "that lead in standard deviations of the hits' scores",
    "drop": "the gap between the scores of the first and the last hit looked at",
    "agreeing": "the share of the other hits that show the first one's place",
    "agreeing_early": "the share of the other hits that show the first one's place, better ranks counting more",
}
"""What the columns of `evidence` are called, and what they are."""

NAMES = tuple(MEANINGS)
"""What the columns of `evidence` are called."""


def metres_from_first(hits: geo.Columns, depth: int) -> np.ndarray:
    """(Q, depth) metres of every hit from the first of its query; NaN where a position is unknown.

    Args:
        hits: positions of Q * depth hits, query after query, best first.
        depth: hits of a query.
    """
    firsts = np.arange(len(hits.east)) // depth * depth
    metres = geo.metres_from(hits, firsts).reshape(-1, depth)
    metres[:, 0] = 0.0
    return metres


def evidence(scores: np.ndarray, metres: np.ndarray) -> np.ndarray:
    """(Q, E) numbers per answer, named by `NAMES`.

    score: of the first hit. lead: how far it lies above the best hit at another place (the last hit, where all show one
    place); lead_in_spreads: the same in standard deviations of the hits' scores. drop: from the first hit to the last.
    agreeing: share of the other hits that show the first one's place; agreeing_early: the same, weighted by 1 / rank.

    Args:
        scores: (Q, D) of the first D hits, best first, finite.
        metres: (Q, D) from the first hit; a hit whose position is unknown (NaN) shows a place of its own.
    """
    same = metres <= PLACE_METRES
    same[:, 0] = True
    first, last = scores[:, 0], scores[:, -1]
    rival = np.where(same, -np.inf, scores).max(1)
    lead = first - np.where(np.isfinite(rival), rival, last)
    spread = scores.std(1)
    in_spreads = np.divide(lead, spread, out=np.zeros_like(lead), where=spread > 0)
    weights = 1.0 / np.arange(2, scores.shape[1] + 1)
    others = same[:, 1:]
    return np.stack([first, lead, in_spreads, first - last, others.mean(1), others @ weights / weights.sum()], 1)
