import numpy as np
import pytest
from scipy.special import expit

from vprkit.errors import ConfigError
from vprkit.evaluation.calibration import Examples, fit, learn, rising_curve
from vprkit.evaluation.reliability import reliability
from vprkit.retrieval.logistic import Logistic


def drawn(count, truth, seed=0):
    """Evidence of two columns on scales of their own, right answers by `truth(odds)`."""
    generator = np.random.default_rng(seed)
    odds = generator.normal(size=count) * 2
    noise = generator.normal(size=count)
    found = np.stack([0.9 + 0.01 * (odds + noise), 1000.0 * noise], 1)
    return Examples(found, generator.uniform(size=count) < truth(odds), generator.integers(0, 5, count))


def test_weights_of_a_known_model_are_found_whatever_the_scales():
    model = fit(drawn(40_000, expit))
    raw = np.array(model.weights) / np.array(model.scale)
    assert raw[0] * 0.01 == pytest.approx(1.0, abs=0.05)
    assert raw[1] * 1000.0 == pytest.approx(-1.0, abs=0.05)  # takes the noise out of the first column


def test_the_gradient_is_zero_where_it_stops():
    examples = drawn(500, expit, seed=4)
    model = fit(examples)

    def loss(weights, intercept):
        inputs = np.clip((examples.found - np.array(model.mean)) / np.array(model.scale), -4, 4)
        total = 0.0
        for row, right in zip(inputs, examples.right, strict=True):
            p = 1 / (1 + np.exp(-(row @ weights + intercept)))
            total -= np.log(p if right else 1 - p)
        return total + sum(weight**2 for weight in weights) / 2

    best = loss(np.array(model.weights), model.intercept)
    for step in np.eye(3) * 1e-3:
        for sign in (1, -1):
            assert loss(np.array(model.weights) + sign * step[:2], model.intercept + sign * step[2]) > best


def test_a_curve_is_kept_only_where_it_helps_unseen_answers():
    assert learn(drawn(4000, expit)).model.curve == ()
    examples = drawn(4000, lambda odds: 0.2 + 0.6 * (odds > 0))
    learnt = learn(examples)
    assert learnt.model.curve
    again = drawn(4000, lambda odds: 0.2 + 0.6 * (odds > 0), seed=1)
    bent, plain = learnt.model, fit(examples)
    assert reliability(bent.probabilities(again.found), again.right).ece < 0.04
    assert reliability(plain.probabilities(again.found), again.right).ece > 0.05


def test_no_answer_is_judged_by_a_model_that_saw_its_fold():
    examples = drawn(300, expit)
    moved = Examples(examples.found, np.where(examples.fold == 2, ~examples.right, examples.right), examples.fold)
    inside = examples.fold == 2
    before, after = learn(examples).held_out, learn(moved).held_out
    assert np.array_equal(before[inside], after[inside]) and not np.allclose(before[~inside], after[~inside])


def test_curves_rise_and_stay_off_certainty():
    odds = np.linspace(-3, 3, 600)
    curve = np.array(rising_curve(odds, odds > 0))
    assert (np.diff(curve[:, 0]) > 0).all() and (np.diff(curve[:, 1]) >= 0).all()
    assert 0 < curve[0, 1] < 0.05 and 0.95 < curve[-1, 1] < 1
    assert len(rising_curve(np.zeros(600), odds > 0)) == 1  # all alike: one probability


@pytest.mark.parametrize("seed", range(5))
def test_curves_of_like_answers_rise_although_means_round(seed):
    """Means of 22 and of 21 equal numbers differ by a rounding, in either direction."""
    for odds in np.random.default_rng(seed).normal(size=40):
        curve = rising_curve(np.full(131, odds), np.arange(131) % 3 == 0)
        Logistic((0.0,), (1.0,), (1.0,), 0.0, curve)  # refuses one that does not rise


def test_far_evidence_counts_as_the_farthest_that_was_seen():
    model = fit(drawn(2000, expit))
    mean, scale = np.array(model.mean), np.array(model.scale)
    found = mean + scale * np.array([[3.9, 0.0], [4.1, 0.0], [5.0, 0.0], [1e9, 0.0]])
    near, *far = model.odds(found)
    assert near < far[0] == far[1] == far[2]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"scale": (1.0, 0.0)}, "positive"),
        ({"weights": (1.0,)}, "equally many"),
        ({"intercept": float("nan")}, "finite"),
        ({"curve": ((0.0, 0.5), (1.0, 0.4))}, "rise"),
        ({"curve": ((0.0, 0.5), (1.0, 1.4))}, "between"),
    ],
    ids=["scale", "lengths", "nan", "falling", "beyond"],
)
def test_models_that_make_no_sense_are_refused(changes, why):
    with pytest.raises(ConfigError, match=why):
        Logistic(**{"mean": (0.0, 0.0), "scale": (1.0, 1.0), "weights": (1.0, 1.0), "intercept": 0.0, **changes})
