"""Probabilities from evidence: logistic regression as data, with a monotone curve where one was fitted."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from vprkit.errors import ConfigError

FARTHEST = 4.0
"""Evidence further than so many standard deviations from what was fitted on counts as just so far."""


@dataclass(frozen=True)
class Logistic:
    """Log odds of standardised evidence.

    Attributes:
        mean, scale: of the evidence that was fitted on.
        weights, intercept: of the standardised evidence; their sum are log odds.
        curve: rising (log odds, probability) points in place of the logistic function, linear between, level beyond;
            empty: none.

    Raises:
        ConfigError: lengths differ, a number is not finite, or the curve does not rise.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    curve: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if len({len(self.mean), len(self.scale), len(self.weights)}) != 1 or not self.mean:
            raise ConfigError("'mean', 'scale' and 'weights' must be equally many numbers")
        points = np.array(self.curve, float).reshape(-1, 2)
        if not np.isfinite([*self.mean, *self.scale, *self.weights, self.intercept, *points.ravel()]).all():
            raise ConfigError("its numbers must be finite")
        if min(self.scale) <= 0:
            raise ConfigError("'scale' must be positive")
        steps = np.diff(points, axis=0)
        if (steps[:, 0] <= 0).any() or (steps[:, 1] < 0).any() or (np.abs(points[:, 1] - 0.5) > 0.5).any():
            raise ConfigError("'curve' must rise, between the probabilities 0 and 1")

    def odds(self, found: np.ndarray) -> np.ndarray:
        """(Q,) log odds of (Q, E) evidence."""
        return np.asarray(standardised(found, self.mean, self.scale) @ np.array(self.weights) + self.intercept)

    def probabilities(self, found: np.ndarray) -> np.ndarray:
        """(Q,) probabilities of (Q, E) evidence."""
        return through(self.curve, self.odds(found))


def standardised(found: np.ndarray, mean: tuple[float, ...], scale: tuple[float, ...]) -> np.ndarray:
    """(Q, E) evidence in standard deviations, bounded by `FARTHEST`."""
    clipped: np.ndarray = np.clip((found - np.array(mean)) / np.array(scale), -FARTHEST, FARTHEST)
    return clipped


def through(curve: tuple[tuple[float, float], ...], odds: np.ndarray) -> np.ndarray:
    """(Q,) probabilities of log odds, by a curve where there is one."""
    if not curve:
        return np.asarray(expit(odds))
    x, y = np.array(curve).T
    return np.asarray(np.interp(odds, x, y))
