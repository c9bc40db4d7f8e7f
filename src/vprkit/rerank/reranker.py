"""What a second look is: a query is prepared once, then scores its candidates block by block."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from vprkit import config
from vprkit.features import Features
from vprkit.method import Method

BLOCK_BYTES = 2**26
"""Local features of candidates at once, as float32."""


Ties = Literal["first_stage", "reversed"]

ORDERS: Mapping[Ties, Callable[[np.ndarray], np.ndarray]] = {
    "first_stage": lambda scores: np.argsort(-scores, 0, "stable"),
    "reversed": lambda scores: np.argsort(scores, 0, "stable")[::-1],
}
"""(N, ...) scores of a shortlist -> its order along the first axis, best first."""


class Shortlist:
    """The candidates that one query is compared with, best first; their features come when they are asked for.

    Args:
        numbers: (N,) database numbers.
        features: gives features of database numbers.
        row_bytes: of one candidate's features, so that memory stays bounded by a block.
    """

    def __init__(self, numbers: np.ndarray, features: Callable[[np.ndarray], Features], row_bytes: int) -> None:
        self.numbers = numbers
        self._features = features
        self._block = max(1, BLOCK_BYTES // max(1, row_bytes))

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, places: np.ndarray) -> Iterator[Features]:
        """Features of the candidates at these places, block by block."""
        for start in range(0, len(places), self._block):
            yield self._features(self.numbers[places[start : start + self._block]])

    def blocks(self) -> Iterator[Features]:
        """Features of all, in order."""
        return self.take(np.arange(len(self.numbers)))


class Scorer(Protocol):
    """A query ready to be compared."""

    def score(self, candidates: Features) -> Tensor:
        """(C,) scores of a block of candidates, higher is better."""


@runtime_checkable
class Settling(Protocol):
    """A scorer that may change its mind once it has seen all scores."""

    def settle(self, scores: Tensor) -> Tensor:
        """(N,) final scores of the shortlist."""


@runtime_checkable
class Stopping(Protocol):
    """A scorer that may have seen enough before the shortlist ends."""

    @property
    def satisfied(self) -> bool:
        """True once nothing further needs to be scored; what is left keeps its order, behind what was scored."""


class Reranker(Protocol):
    """Compares a query with the shortlist that the first stage gave it."""

    def begin(self, query: Features, shortlist: Shortlist) -> Scorer:
        """Prepare a query (one row) that will be compared with all of `shortlist`, block by block, in order."""


@runtime_checkable
class OfNetwork(Protocol):
    """Settings of a second stage whose scores come from the method's own network."""

    def of(self, method: Method) -> Reranker:
        """The second stage itself, ready to compare what this method describes."""


def ready(reranker: Reranker | OfNetwork, method: Method) -> Reranker:
    """What compares, given the method's network where it needs one."""
    return reranker.of(method) if isinstance(reranker, OfNetwork) else reranker


def told(reranker: Any) -> dict[str, Any]:
    """A second stage as plain data: its name and, of a dataclass, its settings."""
    settings = config.to_dict(reranker) if dataclasses.is_dataclass(reranker) else {}
    return {"reranker": type(reranker).__name__, **settings}


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
    row_bytes: int, ties: Ties = "first_stage",
) -> Reranked:  # fmt: skip
    """Look at the first `count` of a ranking again; the rest follows as it was.

    Args:
        reranker: how.
        query: features of the query, one row.
        numbers: (N,) database numbers, best first.
        count: how many are looked at; at most all.
        candidates: gives features of database numbers.
        row_bytes: of one candidate's features, so that memory stays bounded by a block.
        ties: who is first of equal scores: as the first stage had it, or the other way round, as published programs
            get it that sort upwards and turn the result around.
    """
    shortlist = Shortlist(numbers[:count], candidates, row_bytes)
    scores = scores_of(reranker, query, shortlist).double().cpu().numpy()
    order = ORDERS[ties](scores)
    rest = numbers[len(shortlist) :]
    return Reranked(
        np.concatenate([shortlist.numbers[order], rest]), np.concatenate([scores[order], np.full(len(rest), -np.inf)])
    )


def rerank_many(
    reranker: Reranker, queries: Features, rankings: np.ndarray, count: int,
    candidates: Callable[[np.ndarray], Features], row_bytes: int, ties: Ties = "first_stage",
) -> list[Reranked]:  # fmt: skip
    """`rerank` for several queries, one after the other: products of one query and its candidates fill a processor.

    Args:
        queries: features of Q queries.
        rankings: (Q, N) database numbers, best first; -1 pads at the end.
        reranker, count, candidates, row_bytes, ties: as of `rerank`.
    """
    return [
        rerank(reranker, queries[[place]], row[row >= 0], count, candidates, row_bytes, ties)
        for place, row in enumerate(rankings)
    ]


def scores_of(reranker: Reranker, query: Features, shortlist: Shortlist) -> Tensor:
    """(N,) scores of a shortlist, in its order."""
    if not len(shortlist):
        return torch.zeros(0)
    scorer, parts = reranker.begin(query, shortlist), []
    for block in shortlist.blocks():
        parts.append(scorer.score(block))
        if isinstance(scorer, Stopping) and scorer.satisfied:
            break
    scores = torch.cat(parts)
    if len(scores) < len(shortlist):
        scores = torch.cat([scores, scores.new_full((len(shortlist) - len(scores),), -torch.inf)])
    return scorer.settle(scores) if isinstance(scorer, Settling) else scores
