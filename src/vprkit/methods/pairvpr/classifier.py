"""Pair-VPR's second stage: a decoder reads query and candidate, in both directions."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vprkit.config import option
from vprkit.errors import ConfigError, NotAvailable
from vprkit.features import Features, LocalFeatures
from vprkit.method import Method
from vprkit.methods.pairvpr.network import PairVPR, PairVPRConfig
from vprkit.methods.pairvpr.scorer import PairScorer, Prepared, Products
from vprkit.rerank.mutual_matches import local_of
from vprkit.rerank.reranker import Scorer, Shortlist
from vprkit.retrieval.recent import Recent

STOP_AFTER = 4
"""Candidates that are compared at once where the search may end after any of them."""


@dataclass(frozen=True)
class PairClassifier:
    """The score of a candidate is the sum of two logits: s(query, candidate) + s(candidate, query)."""

    products: Products = option(
        "exact", "exact: float32; half: bf16 on a CPU, fp16 on a GPU, which changes places of near ties"
    )
    hot_gigabytes: float = option(
        0.0,
        "keep the latest candidates' keys and values from query to query (40 MB each, 20 in half precision): a twelfth "
        "of the time, worth it from the length of a shortlist on",
    )
    first_pass: int | None = option(
        None, "look in one direction first, and in both at so many of the best; the others follow in that order"
    )
    enough: float | None = option(
        None, "stop at a candidate that scores so much; those not looked at follow as the first stage had them"
    )

    def __post_init__(self) -> None:
        if self.hot_gigabytes < 0:
            raise ConfigError(f"hot_gigabytes must be at least 0, got {self.hot_gigabytes}")
        if self.first_pass is not None and self.first_pass < 1:
            raise ConfigError(f"first_pass must be at least 1 candidate, got {self.first_pass}")
        if self.first_pass is not None and self.enough is not None:
            raise ConfigError("first_pass looks at every candidate, enough stops before; choose one of them")

    def of(self, method: Method) -> "PairReranker":
        """The second stage with the method's decoder.

        Raises:
            NotAvailable: its network has none.
        """
        found = next((part for part in method.network.modules() if isinstance(part, PairVPR)), None)
        if found is None:
            raise NotAvailable(f"'{method.name}' has no Pair-VPR decoder to compare pairs with")
        return PairReranker(self, PairScorer(found, method.device, self.products))


class PairReranker:
    """`PairClassifier` with a network.

    Args:
        settings: how.
        scorer: the network's decoder.

    Attributes:
        hot: candidates of earlier queries, prepared, by their database number.
    """

    def __init__(self, settings: PairClassifier, scorer: PairScorer) -> None:
        self.settings, self.scorer = settings, scorer
        self.hot: Recent[Prepared] = Recent(int(settings.hot_gigabytes * 1e9))

    def begin(self, query: Features, shortlist: Shortlist) -> Scorer:
        prepared = self.scorer.prepare(local_of(query))
        if self.settings.first_pass is None:
            return BothWays(self, prepared, shortlist)
        return OneWayFirst(self, prepared, shortlist, self.settings.first_pass)

    def prepared(self, numbers: list[int], local: LocalFeatures) -> Prepared:
        """Candidates by their database numbers, from the hot set as far as they are there."""
        kept = [self.hot.get(number) for number in numbers]
        missing = [place for place, found in enumerate(kept) if found is None]
        if len(missing) == len(kept) and not self.settings.hot_gigabytes:
            return self.scorer.prepare(local)
        if missing:
            fresh = self.scorer.prepare(local.map(lambda tensor: tensor[missing]))
            for place, one in zip(missing, fresh.each(), strict=True):
                kept[place] = one
                self.hot.keep(numbers[place], one, one.nbytes)
        return Prepared.cat([found for found in kept if found is not None])


class BothWays:
    """Compares in both directions, block by block.

    Args:
        second: the second stage.
        query: prepared.
        shortlist: what it is compared with.
    """

    def __init__(self, second: PairReranker, query: Prepared, shortlist: Shortlist) -> None:
        self.second, self.query = second, query
        self.numbers = [int(number) for number in shortlist.numbers]
        self.seen = 0
        self.best = -float("inf")

    @property
    def satisfied(self) -> bool:
        enough = self.second.settings.enough
        return enough is not None and self.best >= enough

    def score(self, candidates: Features) -> Tensor:
        scores = []
        most = None if self.second.settings.enough is None else STOP_AFTER
        for part in self.second.scorer.blocks(local_of(candidates), most):
            numbers = self.numbers[self.seen : self.seen + len(part)]
            self.seen += len(part)
            found = self.second.scorer.score(self.query, self.second.prepared(numbers, part))
            scores.append(found)
            if most is not None:
                self.best = max(self.best, float(found.max()))
                if self.satisfied:
                    break
        return torch.cat(scores)


class OneWayFirst:
    """Looks in the cheaper direction at all, the candidate's class token at the query, and in both at the best.

    Args:
        second, query, shortlist: as of `BothWays`.
        count: how many are looked at in both directions.
    """

    def __init__(self, second: PairReranker, query: Prepared, shortlist: Shortlist, count: int) -> None:
        self.second, self.query, self.shortlist, self.count = second, query, shortlist, count

    def score(self, candidates: Features) -> Tensor:
        """s(candidate, query)."""
        scorer = self.second.scorer
        parts = scorer.blocks(local_of(candidates))
        return torch.cat([scorer.judge(scorer.start(part), self.query.memory) for part in parts])

    def settle(self, scores: Tensor) -> Tensor:
        """Sums of the best; the others follow in the order that they have, the first of them 1 below the last sum."""
        order = torch.argsort(-scores, stable=True)
        chosen, others = order[: self.count], order[self.count :]
        final = scores.clone()
        final[chosen] += self._other_way(chosen)
        if len(others):
            final[others] += final[chosen].min() - 1 - scores[others].max()
        return final

    def _other_way(self, places: Tensor) -> Tensor:
        """s(query, candidate) at these places."""
        scorer = self.second.scorer
        blocks = (block for features in self.shortlist.take(places.cpu().numpy())
                  for block in scorer.blocks(local_of(features)))  # fmt: skip
        return torch.cat([scorer.judge(self.query.started, scorer.memory(block)) for block in blocks])


def make_reranker(config: PairVPRConfig) -> PairClassifier:
    """Both directions, in float32."""
    return PairClassifier()
