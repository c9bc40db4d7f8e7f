import math

import pytest
import torch
from torch.optim import lr_scheduler

from vprkit.errors import ConfigError
from vprkit.training.schedules import Calendar, Schedule


def with_torch(make, epochs, base=0.1):
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    scheduler = make(optimiser)
    rates = []
    for _ in range(epochs):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("schedule", "make"),
    [
        (Schedule("step", every=3, factor=0.5), lambda o: lr_scheduler.StepLR(o, 3, 0.5)),
        (Schedule("multi_step", milestones=(2, 5), factor=0.1), lambda o: lr_scheduler.MultiStepLR(o, [2, 5], 0.1)),
        (Schedule("exponential", factor=0.9), lambda o: lr_scheduler.ExponentialLR(o, 0.9)),
        (Schedule("linear", start=1.0, end=0.2, epochs=5), lambda o: lr_scheduler.LinearLR(o, 1.0, 0.2, 5)),
        (Schedule("linear", start=0.5, end=1.0, epochs=4), lambda o: lr_scheduler.LinearLR(o, 0.5, 1.0, 4)),
        (Schedule("cosine", epochs=6, end=0.01), lambda o: lr_scheduler.CosineAnnealingLR(o, 6, 0.01)),
        (Schedule(), lambda o: lr_scheduler.ConstantLR(o, 1.0)),
    ],
)
def test_every_kind_equals_the_scheduler_of_torch(schedule, make):
    expected = with_torch(make, 16)
    assert [schedule.rate(3 * epoch, 0.1, 3) for epoch in range(16)] == pytest.approx(expected, rel=1e-9)
    assert [schedule.rate(3 * epoch + 2, 0.1, 3) for epoch in range(16)] == pytest.approx(expected, rel=1e-9)


def test_warm_up_overwrites_and_ends_at_the_base_rate():
    schedule = Schedule("exponential", warmup_steps=5, factor=0.5)
    assert [schedule.rate(step, 1.0, 2) for step in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert schedule.rate(4, 1.0, 2) == 1.0
    assert schedule.rate(5, 1.0, 2) == 1.0  # epoch 3 begins at step 6
    assert schedule.rate(6, 1.0, 2) == 0.5


def test_bad_settings_are_refused():
    with pytest.raises(ConfigError, match="start must be above 0"):
        Schedule("linear", start=0.0)
    with pytest.raises(ConfigError, match="warmup_steps"):
        Schedule(warmup_steps=-1)
    with pytest.raises(ConfigError, match="a cosine schedule needs epochs"):
        Schedule("cosine").rate(0, 1.0, 1)
    assert Schedule("cosine").over(6).rate(9, 1.0, 2) == Schedule("cosine", epochs=6).rate(9, 1.0, 2)


def test_warm_up_by_epochs_and_courses_by_step():
    assert Schedule(warmup_epochs=2).rate(2, 1.0, 5) == pytest.approx(0.3)
    salad = Schedule("linear", start=1.0, end=0.2, epochs=4000, per_step=True)
    assert [salad.rate(step, 1.0, 900) for step in (0, 1000, 4000, 9000)] == pytest.approx([1.0, 0.8, 0.2, 0.2])


def test_the_rate_does_not_depend_on_what_was_asked_before():
    schedule = Schedule("exponential", factor=0.5)
    late = schedule.rate(7, 0.3, 1)
    assert schedule.rate(2, 0.3, 1) == pytest.approx(0.3 / 4) and schedule.rate(7, 0.3, 1) == late
    assert schedule.rate(2, 0.6, 1) == pytest.approx(0.6 / 4)


def test_epochs_of_different_length():
    """Two epochs of 6 steps, then epochs of 3: the schedule follows epochs, the warm-up steps."""
    schedule, calendar = Schedule("exponential", warmup_steps=4, factor=0.5), Calendar(6, 3, 2)
    rates = [schedule.rate(step, 1.0, calendar) for step in range(18)]
    assert rates[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0]) and rates[4:6] == [1.0, 1.0]
    assert rates[6:] == pytest.approx([0.5] * 6 + [0.25] * 3 + [0.125] * 3)
    assert [calendar.epoch(step) for step in (0, 5, 6, 11, 12, 14, 15)] == [0, 0, 1, 1, 2, 2, 3]
    assert [calendar.start(epoch) for epoch in range(5)] == [0, 6, 12, 15, 18]


def test_half_a_cosine_over_the_run_with_a_warm_up_from_zero():
    schedule = Schedule("half_cosine", warmup_epochs=2, epochs=6, end=0.01)
    rates = [schedule.rate(step, 0.5, 3) for step in range(20)]
    assert rates[:6] == pytest.approx(torch.linspace(0, 0.5, 6).tolist())
    wanted = [0.01 + 0.49 * (1 + math.cos(math.pi * (step - 6) / 12)) / 2 for step in range(6, 18)]
    assert rates[6:] == pytest.approx([*wanted, 0.01, 0.01])
    ahead = Schedule("half_cosine", warmup_epochs=2, epochs=6, end=0.01, first_index=1)
    assert [ahead.rate(step, 0.5, 3) for step in range(19)] == rates[1:]
    with pytest.raises(ConfigError, match="needs epochs, the end of its curve"):
        Schedule("half_cosine").rate(0, 0.5, 3)


def test_weight_decay_follows_half_a_cosine_of_its_own():
    schedule = Schedule("half_cosine", warmup_epochs=2).over(4)
    found = [schedule.weight_decay(step, 0.04, 0.4, 5) for step in range(22)]
    wanted = [0.4 - 0.36 * (1 + math.cos(math.pi * step / 20)) / 2 for step in range(20)]
    assert found == pytest.approx([*wanted, 0.4, 0.4])
    assert Schedule("linear", epochs=20, per_step=True).weight_decay(7, 0.04, 0.4, 5) == found[7]
    assert Schedule(first_index=1).over(4).weight_decay(6, 0.04, 0.4, 5) == found[7]
