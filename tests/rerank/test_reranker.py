"""The loop around every second stage: stopping early, getting the method's network."""

import numpy as np
import pytest
import torch
from torch import nn

from vprkit.features import Features
from vprkit.method import Method
from vprkit.rerank import reranker
from vprkit.rerank.reranker import Shortlist, ready, rerank


class Countdown:
    """Scores 3, 2, 1, ... and is satisfied after so many blocks."""

    def __init__(self, blocks: int) -> None:
        self.blocks, self.seen = blocks, 0

    @property
    def satisfied(self) -> bool:
        return self.seen >= self.blocks

    def score(self, candidates: Features) -> torch.Tensor:
        self.seen += 1
        return candidates.global_[:, 0]


class Stopping:
    def __init__(self, blocks: int) -> None:
        self.blocks = blocks

    def begin(self, query: Features, shortlist: Shortlist) -> Countdown:
        return Countdown(self.blocks)


@pytest.mark.parametrize(("blocks", "read"), [(1, 2), (2, 4), (9, 5)])
def test_what_is_left_once_enough_was_seen_follows_in_its_order(monkeypatch, blocks, read):
    monkeypatch.setattr(reranker, "BLOCK_BYTES", 2)
    asked: list[int] = []

    def candidates(numbers: np.ndarray) -> Features:
        asked.extend(numbers.tolist())
        return Features(torch.from_numpy(numbers)[:, None].double())

    numbers = np.array([4, 7, 1, 9, 5, 3])
    found = rerank(Stopping(blocks), Features(torch.zeros(1, 1)), numbers, 5, candidates, 1)
    assert asked == numbers[:read].tolist()
    assert found.numbers.tolist() == [*sorted(numbers[:read], reverse=True), *numbers[read:]]
    assert np.isneginf(found.scores[read:]).all() and np.isfinite(found.scores[:read]).all()


def test_settings_that_need_the_network_get_the_method():
    class Settings:
        def of(self, method: Method) -> Stopping:
            return Stopping(len(list(method.network.parameters())))

    method = Method.from_module(nn.Linear(2, 2), device="cpu")
    second = ready(Settings(), method)
    assert isinstance(second, Stopping) and second.blocks == 2
    assert ready(second, method) is second
