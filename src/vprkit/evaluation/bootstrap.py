"""Confidence intervals by resampling queries (Efron, 1979), seeded so that a result can be printed twice."""

from collections.abc import Iterator

import numpy as np

RESAMPLES = 2000
LEVEL = 95.0


def mean_interval(
    values: np.ndarray, resamples: int = RESAMPLES, level: float = LEVEL, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of the mean of (Q,) values over resampled queries; NaN where there are none."""
    if not len(values):
        return float("nan"), float("nan")
    means = np.concatenate([values[rows].mean(1) for rows in _resampled(len(values), resamples, seed)])
    low, high = np.percentile(means, [(100 - level) / 2, (100 + level) / 2])
    return float(low), float(high)


def _resampled(count: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Blocks of resampled row numbers, at most a million numbers each."""
    generator = np.random.default_rng(seed)
    block = max(1, min(resamples, 1_000_000 // count))
    for start in range(0, resamples, block):
        yield generator.integers(0, count, (min(block, resamples - start), count))
