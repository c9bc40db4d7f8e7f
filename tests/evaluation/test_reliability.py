import numpy as np
import pytest

from vprkit.errors import DataError
from vprkit.evaluation.reliability import reject_curve, reliability, wilson


@pytest.fixture
def judged():
    generator = np.random.default_rng(3)
    confidences = generator.uniform(size=997).round(2)  # with ties
    return confidences, generator.uniform(size=997) < confidences**2


def test_bins_and_error_are_those_of_a_plain_loop(judged):
    confidences, right = judged
    found = reliability(confidences, right, bins=10)
    order = sorted(range(len(confidences)), key=lambda row: (confidences[row], row))
    groups = [list(part) for part in np.array_split(order, 10)]
    error = 0.0
    for one, rows in zip(found.bins, groups, strict=True):
        mean, share = sum(confidences[r] for r in rows) / len(rows), sum(right[r] for r in rows) / len(rows)
        assert (one.confidence, one.right, one.count) == (pytest.approx(mean), pytest.approx(share), len(rows))
        assert 0 <= one.interval[0] <= share <= one.interval[1] <= 1
        error += len(rows) / len(order) * abs(mean - share)
    assert found.ece == pytest.approx(error)
    assert found.ece > 0.1  # these confidences are not true
    assert found.brier == pytest.approx(sum((c - r) ** 2 for c, r in zip(confidences, right, strict=True)) / 997)


@pytest.mark.parametrize(("count", "bins"), [(9, 1), (19, 1), (49, 4), (99, 9), (100, 10), (1000, 10)])
def test_no_bin_holds_fewer_than_ten_answers(count, bins):
    found = reliability(np.linspace(0, 1, count), np.arange(count) % 2 == 0, bins=10)
    assert len(found.bins) == bins and min(one.count for one in found.bins) >= min(count, 10)


def test_true_confidences_have_a_small_error():
    generator = np.random.default_rng(0)
    confidences = generator.uniform(size=20_000)
    assert reliability(confidences, generator.uniform(size=20_000) < confidences).ece < 0.012


def test_rejecting_is_counted_as_by_a_plain_loop(judged):
    confidences, right = judged
    confidences[:50] = np.nan  # these were never answered
    curve = reject_curve(confidences, right)
    best = {}
    for threshold in np.unique(confidences[50:]):
        kept = confidences >= threshold
        share = right[kept].mean()
        row = np.flatnonzero(curve.thresholds == threshold)
        assert curve.answered[row] == kept.sum() / 997 and curve.right[row] == share
        for wanted in (0.5, 0.9):
            if share >= wanted and kept.sum() / 997 > best.get(wanted, (0, 0))[0]:
                best[wanted] = kept.sum() / 997, threshold
    for wanted, (answered, threshold) in best.items():
        level = curve.at(wanted)
        assert (level.answered, level.threshold) == (answered, threshold) and level.reached >= wanted
    assert curve.at(1.01).threshold is None and curve.at(1.01).answered == 0


def test_perfect_order_leaves_the_least_area():
    right = np.array([True] * 6 + [False] * 4)
    confidences = np.linspace(0.9, 0.1, 10)
    expected = sum(max(0, n - 6) / n for n in range(1, 11)) / 10
    assert reject_curve(confidences, right).area == pytest.approx(expected)
    assert reject_curve(confidences[::-1], right).area > expected


def test_wilson_intervals_agree_with_published_values():
    assert wilson(0, 10) == (0.0, pytest.approx(0.2775, abs=1e-4))
    assert wilson(10, 10) == (pytest.approx(0.7225, abs=1e-4), 1.0)
    assert wilson(81, 263) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))  # Newcombe, 1998


def test_what_is_no_confidence_is_refused():
    with pytest.raises(DataError, match="one of each per query"):
        reliability(np.array([0.5]), np.array([True, False]))
    with pytest.raises(DataError, match="between 0 and 1"):
        reliability(np.array([1.5]), np.array([True]))
    with pytest.raises(DataError, match="no query has a confidence"):
        reject_curve(np.array([np.nan]), np.array([True]))
