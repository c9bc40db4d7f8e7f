"""Re-ranking what a map answers: local features come from its store, or are described again where it keeps none."""

import numpy as np
import torch

from vprkit.errors import ConfigError, NotAvailable
from vprkit.features import Features, LocalFeatures
from vprkit.method import Method
from vprkit.rerank.reranker import Reranked, Reranker, ready, rerank
from vprkit.retrieval.store import FeatureStore


class SecondLook:
    """The method's second stage over rows of a store.

    Args:
        method: has a second stage.
        store: what the rows are.
        count: candidates that are looked at.
        before: the last one over this store; what it made ready of the same second stage is used again.

    Raises:
        NotAvailable: the method has no second stage.
        ConfigError: the count is not positive.
    """

    def __init__(self, method: Method, store: FeatureStore, count: int, before: "SecondLook | None" = None) -> None:
        if method.reranker is None:
            raise NotAvailable(f"method '{method.name}' has no second stage; leave rerank out")
        if count < 1:
            raise ConfigError(f"rerank must be at least 1 candidate, got {count}")
        self.settings = method.reranker
        again = before is not None and before.settings is self.settings
        self.reranker: Reranker = before.reranker if before and again else ready(self.settings, method)
        self.method, self.store, self.count = method, store, count

    def order(self, query: Features, rows: np.ndarray) -> Reranked:
        """The first `count` rows in their new order, with the second stage's scores.

        Args:
            query: features of one photo, local ones included.
            rows: (N,) rows of the store, best first.
        """
        device = self.method.device
        asked = query.map(lambda tensor: tensor.to(device))
        return rerank(self.reranker, asked, rows[: self.count], self.count, self._features, self._row_bytes(query))

    def _features(self, rows: np.ndarray) -> Features:
        found = Features(torch.empty(len(rows), 0), self._local(rows))
        return found.map(lambda tensor: tensor.to(self.method.device))

    def _local(self, rows: np.ndarray) -> LocalFeatures:
        if self.store.local_facts is not None:
            return self.store.local.take(rows)
        local = self.method.describe([self.store.path(int(row)) for row in rows]).local
        if local is None:
            raise NotAvailable(f"method '{self.method.name}' has no local features")
        return local.map(lambda tensor: tensor.cpu())

    def _row_bytes(self, query: Features) -> int:
        return 1 if query.local is None else 4 * int(np.prod(query.local.tokens.shape[1:]))
