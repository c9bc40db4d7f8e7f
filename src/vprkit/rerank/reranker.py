"""What a second look is: a query is prepared once, then scores its candidates block by block."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from vprkit.features import Features

BLOCK_BYTES = 2**26
"""Local features of candidates at once, as float32."""


class Scorer(Protocol):
    """A query ready to be compared."""

    def score(self, candidates: Features) -> Tensor:
        """(C,) scores of a block of candidates, higher is better."""


class Reranker(Protocol):
    """Compares a query with the shortlist that the first stage gave it."""

    def begin(self, query: Features, shortlist: int) -> Scorer:
        """Prepare a query (one row) that will be compared with `shortlist` candidates, best first."""


class Reranked(NamedTuple):
    """A shortlist in its new order.

    Attributes:
        numbers: (N,) database numbers, best first.
        scores: (N,) float64; -inf for what was not looked at again.
    """

    numbers: np.ndarray
    scores: np.ndarray


def rerank(
    reranker: Reranker, query: Features, numbers: np.ndarray, count: int, candidates: Callable[[np.ndarray], Features],
    row_bytes: int,
) -> Reranked:  # fmt: skip
    """Look at the first `count` of a ranking again; equal scores keep their first order, the rest follows as it was.

    Args:
        reranker: how.
        query: features of the query, one row.
        numbers: (N,) database numbers, best first.
        count: how many are looked at; at most all.
        candidates: gives features of database numbers.
        row_bytes: of one candidate's features, so that memory stays bounded by a block.
    """
    shortlist = numbers[:count]
    scorer = reranker.begin(query, len(shortlist))
    size = max(1, BLOCK_BYTES // max(1, row_bytes))
    parts = [scorer.score(candidates(shortlist[start : start + size])) for start in range(0, len(shortlist), size)]
    scores = torch.cat(parts).double().cpu().numpy() if parts else np.zeros(0)
    order = np.argsort(-scores, kind="stable")
    rest = numbers[len(shortlist) :]
    return Reranked(
        np.concatenate([shortlist[order], rest]), np.concatenate([scores[order], np.full(len(rest), -np.inf)])
    )
