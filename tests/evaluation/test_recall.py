import numpy as np
import pytest

from vprkit.data.positives import Positives
from vprkit.evaluation import recall as module
from vprkit.evaluation.bootstrap import mean_interval
from vprkit.evaluation.curves import precision_recall
from vprkit.evaluation.recall import NO_HIT, average_precision, first_hits, recall_at


def problem(seed=0, queries=60, database=80, k=12):
    rng = np.random.default_rng(seed)
    rankings = np.stack([rng.permutation(database)[:k] for _ in range(queries)])
    positives = Positives.of([rng.choice(database, rng.integers(0, 9), replace=False) for _ in range(queries)])
    return rankings, positives, database


@pytest.mark.parametrize("mask_bytes", [32 * 2**20, 200, 1])
def test_first_hits_equal_a_loop(mask_bytes, monkeypatch):
    monkeypatch.setattr(module, "MASK_BYTES", mask_bytes)
    rankings, positives, database = problem()
    expected = []
    for row, right in zip(rankings, positives, strict=True):
        ranks = [rank for rank, number in enumerate(row) if number in set(right.tolist())]
        expected.append(ranks[0] if ranks else NO_HIT)
    assert first_hits(rankings, positives, database).tolist() == expected


def test_recall_and_both_denominators():
    ranks = np.array([0, 3, NO_HIT, NO_HIT])
    answerable = np.array([True, True, True, False])
    assert [recall_at(ranks, k) for k in (1, 4, 100)] == [25.0, 50.0, 50.0]
    assert recall_at(ranks, 4, answerable) == pytest.approx(200 / 3)
    assert np.isnan(recall_at(ranks[:0], 1))


def test_average_precision_equals_the_definition():
    rankings, positives, database = problem(1)
    for k in (1, 5, 12):
        found = average_precision(rankings, positives, database, k)
        for row, right, value in zip(rankings, positives, found, strict=True):
            hits, total = 0, 0.0
            for rank, number in enumerate(row[:k], 1):
                if number in right:
                    hits += 1
                    total += hits / rank
            assert value == pytest.approx(total / min(len(right), k) if len(right) else 0.0)


def test_precision_recall_equals_a_sweep_over_every_threshold():
    rng = np.random.default_rng(2)
    scores = np.round(rng.uniform(0, 1, 50), 1)  # many ties
    right = rng.uniform(0, 1, 50) < scores
    curve = precision_recall(scores, right, 45)
    for threshold, precision, recall in zip(curve.thresholds, curve.precision, curve.recall, strict=True):
        accepted = scores >= threshold
        assert precision == pytest.approx(right[accepted].mean())
        assert recall == pytest.approx(right[accepted].sum() / 45)
    assert len(curve.thresholds) == len(set(scores.tolist()))


def test_area_and_full_precision_of_known_curves():
    perfect = precision_recall(np.array([3.0, 2.0, 1.0]), np.array([True, True, True]), 3)
    assert (perfect.auc, perfect.recall_at_full_precision) == (1.0, 1.0)
    mixed = precision_recall(np.array([3.0, 2.0, 1.0]), np.array([True, False, True]), 4)
    assert mixed.recall_at_full_precision == 0.25
    assert mixed.auc == pytest.approx(0.25 * 1 + 0.25 * 2 / 3)
    worst = precision_recall(np.array([2.0, 1.0]), np.array([False, False]), 2)
    assert (worst.auc, worst.recall_at_full_precision) == (0.0, 0.0)
    assert precision_recall(np.zeros(0), np.zeros(0, bool), 0).auc == 0.0


def test_intervals_cover_the_binomial_ones():
    values = np.r_[np.ones(70), np.zeros(30)] * 100
    low, high = mean_interval(values)
    assert low == pytest.approx(61, abs=1.5) and high == pytest.approx(79, abs=1.5)
    assert mean_interval(values) == (low, high)
    assert np.isnan(mean_interval(np.zeros(0))[0])
