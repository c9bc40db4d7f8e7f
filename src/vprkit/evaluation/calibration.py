"""Learning probabilities from evidence: logistic regression with a ridge, and a monotone curve where it helps.

Whether a curve helps, and what a fit says about itself, is told by cross-validation: every answer is judged by a model
that saw none of its fold.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit

from vprkit.retrieval.logistic import Logistic, standardised, through

RIDGE = 1.0
"""Penalty on the square of each weight, beside the sum of the log losses."""

STEPS = 30
"""A curve is made of at most so many groups of equally many answers."""

LEAST_IN_STEP = 20
CERTAIN = 1e-12


@dataclass(frozen=True)
class Examples:
    """Answers to learn from.

    Attributes:
        found: (N, E) evidence.
        right: (N,) bool.
        fold: (N,) numbers; answers of one fold are judged by a model of the others.
    """

    found: np.ndarray
    right: np.ndarray
    fold: np.ndarray

    def take(self, rows: np.ndarray) -> "Examples":
        return Examples(self.found[rows], self.right[rows], self.fold[rows])


@dataclass(frozen=True)
class Learnt:
    """A model of all answers, and (N,) what models that had not seen an answer say of it."""

    model: Logistic
    held_out: np.ndarray


def learn(examples: Examples) -> Learnt:
    """Fit on all; with a curve where that lowers the log loss of unseen folds by more than its standard error."""
    odds = np.empty(len(examples.right))
    for fold in np.unique(examples.fold):
        odds[examples.fold == fold] = fit(examples.take(examples.fold != fold)).odds(
            examples.found[examples.fold == fold]
        )
    plain, bent = expit(odds), np.empty(len(odds))
    for fold in np.unique(examples.fold):
        inside = examples.fold == fold
        bent[inside] = through(rising_curve(odds[~inside], examples.right[~inside]), odds[inside])
    gain = log_losses(plain, examples.right) - log_losses(bent, examples.right)
    model = fit(examples)
    if gain.mean() <= gain.std() / np.sqrt(len(gain)):
        return Learnt(model, plain)
    return Learnt(dataclasses.replace(model, curve=rising_curve(odds, examples.right)), bent)


def fit(examples: Examples) -> Logistic:
    """Logistic regression on standardised evidence, by L-BFGS."""
    deviation = examples.found.std(0)
    mean = tuple(examples.found.mean(0).tolist())
    scale = tuple(np.where(deviation > 0, deviation, 1.0).tolist())
    inputs, signs = standardised(examples.found, mean, scale), np.where(examples.right, 1.0, -1.0)

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        margins = signs * (inputs @ values[1:] + values[0])
        pull = -signs * expit(-margins)
        gradient = np.append(pull.sum(), inputs.T @ pull + RIDGE * values[1:])
        return float(np.logaddexp(0, -margins).sum() + RIDGE / 2 * (values[1:] ** 2).sum()), gradient

    best = minimize(loss, np.zeros(1 + len(mean)), jac=True, method="L-BFGS-B", options={"maxiter": 1000}).x
    return Logistic(mean, scale, tuple(best[1:].tolist()), float(best[0]))


def rising_curve(odds: np.ndarray, right: np.ndarray) -> tuple[tuple[float, float], ...]:
    """Isotonic regression of right answers on log odds, over groups of like odds; never quite 0 or 1."""
    order = np.argsort(odds, kind="stable")
    groups = np.array_split(order, max(1, min(STEPS, len(order) // LEAST_IN_STEP)))
    middle = np.array([odds[group].mean() for group in groups])
    share, count = (np.array([part(group) for group in groups]) for part in (lambda g: right[g].mean(), len))
    rising = isotonic_regression(share, weights=count).x
    bounded = np.clip(rising, 0.5 / count, 1 - 0.5 / count)
    # Means of equal odds may differ, and fall, by a rounding.
    rising_odds, chances = (np.maximum.accumulate(part).tolist() for part in (middle, bounded))
    return tuple(dict(zip(rising_odds, chances, strict=True)).items())


def log_losses(probabilities: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(N,) minus the logarithm of the probability that was given to what came true."""
    came = np.where(right, probabilities, 1 - probabilities)
    return np.asarray(-np.log(np.maximum(came, CERTAIN)))
