"""Optimiser steps: rates and weight decay of groups, steps that are left out."""

import math

import pytest
import torch
from torch import nn

from vprkit.errors import ConfigError, VprError
from vprkit.training.schedules import Calendar, Schedule
from vprkit.training.settings import Optimiser, Running, TrainingConfig
from vprkit.training.state import Position
from vprkit.training.stepping import Stepper
from vprkit.training.task import ParameterGroup


class Plain:
    """Stands for Fabric: one process, no precision of its own."""

    class strategy:  # noqa: N801
        class precision:  # noqa: N801
            @staticmethod
            def state_dict():
                return {}

    @staticmethod
    def setup(task, optimiser):
        return task, optimiser


class Lines(nn.Module):
    """Three numbers that learn: at the full rate, at half of it, and at a tenth without weight decay."""

    def __init__(self):
        super().__init__()
        self.numbers = nn.ParameterList(nn.Parameter(torch.ones(1)) for _ in range(3))

    def rate(self, epoch, base):
        return None

    def parameter_groups(self):
        one, two, three = self.numbers
        return [
            ParameterGroup([one]),
            ParameterGroup([]),
            ParameterGroup([two], 0.5),
            ParameterGroup([three], 0.1, 0.0),
        ]


def stepper(**settings):
    made = Stepper(TrainingConfig(**settings), Lines())
    made.set_up(Plain())
    return made


def step(made, position, calendar, gradient=1.0):
    for number in made.task.numbers:
        number.grad = torch.full((1,), gradient)
    return made.step(position, calendar)


def test_groups_scale_whatever_the_schedule_gives_and_weight_decay_follows_its_own():
    schedule = Schedule("half_cosine", end=0.01)
    made = stepper(epochs=2, schedule=schedule, optimiser=Optimiser("adamw", 0.1, 0.04, 0.4))
    position, calendar = Position(), Calendar(3)
    for number in range(8):
        rate = step(made, position, calendar)
        share = (1 + math.cos(math.pi * min(number, 6) / 6)) / 2
        assert rate == pytest.approx(0.01 + 0.09 * share)
        found = [(group["lr"], group["weight_decay"]) for group in made.optimiser.param_groups]
        decay = 0.4 - 0.36 * share
        wanted = [(rate, decay), (rate / 2, decay), (rate / 10, 0.0)]
        assert [value for pair in found for value in pair] == pytest.approx([v for pair in wanted for v in pair])
    assert position.step == 8


def test_weight_decay_stays_unless_it_is_to_end_elsewhere():
    made = stepper(optimiser=Optimiser("adamw", 0.1, 0.04))
    for _ in range(3):
        step(made, position := Position(step=50), Calendar(3))
        assert [group["weight_decay"] for group in made.optimiser.param_groups] == [0.04, 0.04, 0.0]
    assert position.step == 51


def test_steps_that_are_not_finite_move_nothing_and_too_many_stop():
    made = stepper(optimiser=Optimiser("sgd", 0.1), running=Running(skip_nonfinite=2))
    position, calendar = Position(), Calendar(9)
    for gradient, skipped, value in ((1.0, 0, 0.9), (math.nan, 1, 0.9), (math.inf, 2, 0.9), (1.0, 2, 0.71)):
        step(made, position, calendar, gradient)
        assert (position.skipped, position.skipped_now) == (skipped, 0 if math.isfinite(gradient) else skipped)
        assert made.task.numbers[0].item() == pytest.approx(value)
        assert made.task.numbers[0].grad is None
    step(made, position, calendar, math.nan), step(made, position, calendar, math.nan)
    with pytest.raises(VprError, match="not finite in 3 steps in a row, the last one step 7"):
        step(made, position, calendar, math.nan)


def test_a_scaler_sees_what_is_left_out():
    """It has to lower its scale, and skips the step itself."""

    class Scaled(Plain):
        class strategy:  # noqa: N801
            class precision:  # noqa: N801
                @staticmethod
                def state_dict():
                    return {"scale": 65536.0}

    made = Stepper(TrainingConfig(optimiser=Optimiser("sgd", 0.1), running=Running(skip_nonfinite=2)), Lines())
    made.set_up(Scaled())
    seen = []
    made.optimiser.step = lambda: seen.append(True)
    position = Position()
    step(made, position, Calendar(9), math.inf)
    assert seen == [True] and position.skipped == 1


def test_nothing_that_learns_is_refused():
    class Frozen(Lines):
        def parameter_groups(self):
            return [ParameterGroup([])]

    with pytest.raises(ConfigError, match="nothing learns"):
        Stepper(TrainingConfig(), Frozen())
    with pytest.raises(ConfigError, match="weight decay not negative"):
        Optimiser(weight_decay_end=-1.0)
