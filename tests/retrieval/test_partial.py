"""Searching where only some rows may answer: the same answers as of these rows alone, whatever their share."""

from pathlib import Path

import numpy as np
import pytest

from vprkit.registry import Metric
from vprkit.retrieval.fast import FastIndex
from vprkit.retrieval.index import ROWS, ExactIndex
from vprkit.retrieval.partial import WIDEST, PartialIndex, SomeRows, some_of
from vprkit.retrieval.weighted import WeightedRows, exact_index


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("share", [0.0, 0.004, 0.1, 0.3, 0.9, 0.999, 1.0])
@pytest.mark.parametrize("k", [1, 20, 3000])
def test_answers_are_those_of_the_rows_alone(metric: Metric, share: float, k: int) -> None:
    rng = np.random.default_rng(7)
    vectors, queries = (rng.standard_normal((n, 12), np.float32) for n in (2000, 6))
    vectors[::9] = vectors[0]  # ties
    allowed = rng.random(2000) < share
    part = PartialIndex(ExactIndex(vectors, metric), vectors, metric, allowed)
    rows = np.flatnonzero(allowed)
    found, expected = part.search(queries, k), ExactIndex(vectors[rows], metric).search(queries, k)
    assert len(part) == len(rows)
    assert np.array_equal(found.numbers, rows[expected.numbers]) and np.array_equal(found.scores, expected.scores)


def test_a_query_whose_best_rows_may_not_answer_is_settled_among_the_others() -> None:
    rng = np.random.default_rng(8)
    vectors = unit(rng.standard_normal((4 * WIDEST, 8)))
    query = vectors[:1]
    allowed = (vectors @ query[0]) < np.quantile(vectors @ query[0], 0.4)  # the worst two in five

    class Counting:
        asked = 0

        def __len__(self) -> int:
            return len(vectors)

        def search(self, queries: np.ndarray, k: int):  # type: ignore[no-untyped-def]
            self.asked = max(self.asked, k)
            return ExactIndex(vectors).search(queries, k)

    whole = Counting()
    both = np.concatenate([query, -query])
    found = PartialIndex(whole, vectors, "ip", allowed).search(both, 3)
    rows = np.flatnonzero(allowed)
    assert np.array_equal(found.numbers, rows[ExactIndex(vectors[rows]).search(both, 3).numbers])
    assert whole.asked <= WIDEST


def test_a_fast_index_answers_with_rows_that_may(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    vectors = unit(rng.standard_normal((3000, 32)))
    fast = FastIndex.build(vectors, "ip", "these")
    allowed = rng.random(3000) < 0.5
    found = PartialIndex(fast, vectors, "ip", allowed).search(vectors[allowed][:50], 1)
    assert np.array_equal(found.numbers[:, 0], np.flatnonzero(allowed)[:50])


def test_some_rows_are_fetched_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(10)
    vectors = unit(rng.standard_normal((3 * ROWS, 4)))
    most, plain = [0], SomeRows.__getitem__

    def counted(self: SomeRows, rows: np.ndarray | slice) -> np.ndarray:
        made = plain(self, rows)
        most.append(len(made))
        return made

    monkeypatch.setattr(SomeRows, "__getitem__", counted)
    numbers = np.flatnonzero(rng.random(len(vectors)) < 0.9)
    rows = some_of(vectors, numbers)
    found = ExactIndex(rows, engine="torch").search(vectors[numbers[:3]], 1)
    assert np.array_equal(found.numbers[:, 0], np.arange(3)) and 0 < max(most) <= ROWS


def test_neighbours_are_not_copied_and_weighted_rows_stay_in_parts() -> None:
    rng = np.random.default_rng(11)
    vectors = rng.standard_normal((40, 4), np.float32)
    assert some_of(vectors, np.arange(40)) is vectors
    between = some_of(vectors, np.arange(7, 19))
    assert isinstance(between, np.ndarray) and np.shares_memory(between, vectors)
    rows = WeightedRows(vectors, unit(rng.standard_normal((40, 3))), rng.random((40, 2), np.float32))
    numbers = np.array([1, 5, 6, 30])
    some = some_of(rows, numbers)
    assert isinstance(some, WeightedRows) and np.array_equal(some[:], rows[numbers])
    queries = rows[np.array([30, 2])]
    found = exact_index(some, "ip").search(queries, 2)
    assert np.array_equal(found.numbers, ExactIndex(rows[numbers]).search(queries, 2).numbers)
