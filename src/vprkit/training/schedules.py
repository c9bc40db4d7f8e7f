"""Rates and weight decay as functions of the step: nothing to save, nothing to restore, the same after a resume.

Warm-up and schedule follow the published programs: during the first W steps the rate is `base * (step + 1) / W`,
overwriting whatever the schedule had set; after each epoch the schedule changes the rate that is in force then.
`half_cosine` is the other school (DINO, MAE): a closed form of the step's index, warm-up included.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from vprkit.config import option
from vprkit.errors import ConfigError

Kind = Literal["constant", "step", "multi_step", "exponential", "linear", "cosine", "half_cosine"]


@dataclass(frozen=True)
class Calendar:
    """Optimiser steps of the epochs of a run, which may change once (accumulation that begins later).

    Attributes:
        first: steps of each epoch before `turn`.
        then: steps of each epoch from it on.
        turn: the epoch (0-based) where they change.
    """

    first: int
    then: int = 0
    turn: int = 2**31

    def start(self, epoch: int) -> int:
        """Steps before an epoch."""
        return self.first * min(epoch, self.turn) + self.then * max(0, epoch - self.turn)

    def epoch(self, step: int) -> int:
        """The epoch of a step."""
        later = step - self.start(self.turn)
        return self.turn + later // self.then if later >= 0 else step // self.first


@dataclass(frozen=True)
class Schedule:
    """How the learning rate changes over training."""

    kind: Kind = option(
        "constant",
        "constant, step, multi_step, exponential, linear, cosine, or half_cosine: from 0 up to the base rate in the "
        "warm-up, then down to `end` along half a cosine, a little every step",
    )
    warmup_steps: int = option(0, "optimiser steps of linear warm-up")
    warmup_epochs: int = option(0, "epochs of linear warm-up, beside warmup_steps")
    factor: float = option(0.3, "multi_step, step, exponential: the rate is multiplied by this")
    milestones: tuple[int, ...] = option((), "multi_step: epochs before which it is multiplied")
    every: int = option(1, "step: epochs between multiplications")
    epochs: int = option(
        0,
        "linear, cosine, half_cosine: epochs until the end of the curve, and of that of the weight "
        "decay; 0: as many as the run has",
    )
    start: float = option(1.0, "linear: share of the base rate at the start")
    end: float = option(0.0, "linear: share of the base rate at the end; cosine, half_cosine: least rate, absolute")
    per_step: bool = option(False, "what is said of epochs above is meant of optimiser steps (SALAD's linear decay)")
    first_index: int = option(
        0, "half_cosine, weight decay: index of the first step; 1 in programs that count before they look (Pair-VPR)"
    )

    def __post_init__(self) -> None:
        if min(self.warmup_steps, self.warmup_epochs, self.epochs, self.first_index) < 0 or self.every < 1:
            raise ConfigError(
                "a schedule needs warmup_steps, warmup_epochs, epochs and first_index >= 0, and every >= 1"
            )
        if self.kind == "linear" and not 0 < self.start <= 1:
            raise ConfigError(f"start must be above 0 and at most 1, got {self.start}")

    def over(self, epochs: int) -> "Schedule":
        """The schedule of a run of so many epochs."""
        return self if self.epochs else dataclasses.replace(self, epochs=max(1, epochs))

    def rate(self, step: int, base: float, steps_per_epoch: int | Calendar) -> float:
        """The learning rate of optimiser step `step` (0-based).

        Args:
            step: optimiser steps already taken.
            base: the rate that the optimiser was made with.
            steps_per_epoch: optimiser steps per epoch, or of each where they differ.

        Raises:
            ConfigError: the curve's end is not known (`epochs` 0, not settled by `over`).
        """
        calendar = steps_per_epoch if isinstance(steps_per_epoch, Calendar) else Calendar(steps_per_epoch)
        warmup = self.warmup_steps + calendar.start(self.warmup_epochs)
        if self.kind == "half_cosine":
            return self._closed(step + self.first_index, base, warmup, self._steps(calendar))
        if self.kind in ("linear", "cosine"):
            self._steps(calendar)  # the end must be known
        if step < warmup:
            return base * min(1.0, (step + 1) / warmup)
        units = Calendar(1) if self.per_step else calendar
        return _course(self, base, warmup, units).at(units.epoch(step))

    def weight_decay(self, step: int, start: float, end: float, steps_per_epoch: int | Calendar) -> float:
        """The weight decay of optimiser step `step`: half a cosine from `start` to `end`, without warm-up.

        Args:
            step: optimiser steps already taken.
            start, end: at the beginning and the end of the curve.
            steps_per_epoch: as of `rate`.

        Raises:
            ConfigError: the curve's end is not known.
        """
        calendar = steps_per_epoch if isinstance(steps_per_epoch, Calendar) else Calendar(steps_per_epoch)
        return _half_cosine(step + self.first_index, self._steps(calendar), start, end)

    def _closed(self, index: int, base: float, warmup: int, steps: int) -> float:
        if index < warmup:
            return base * index / max(1, warmup - 1)
        return _half_cosine(index - warmup, steps - warmup, base, self.end)

    def _steps(self, calendar: Calendar) -> int:
        """Optimiser steps until the end of the curve."""
        if not self.epochs:
            raise ConfigError(f"a {self.kind} schedule needs epochs, the end of its curve")
        return self.epochs if self.per_step else calendar.start(self.epochs)


def _half_cosine(index: int, steps: int, start: float, end: float) -> float:
    """From `start` at index 0 to `end` at `steps` and ever after."""
    return end if index >= steps else end + 0.5 * (start - end) * (1 + math.cos(math.pi * index / steps))


@dataclass
class _Course:
    """The rates of a schedule, worked out epoch by epoch as far as they were asked for.

    Attributes:
        rates: (rate in force, whether warm-up still overwrites it) at the start of each epoch.
    """

    schedule: Schedule
    base: float
    warmup: int
    units: Calendar
    rates: list[tuple[float, bool]] = field(default_factory=list)

    def at(self, epoch: int) -> float:
        """The rate of this epoch, after warm-up."""
        change = _CHANGES[self.schedule.kind]
        if not self.rates:
            start = self.schedule.start if self.schedule.kind == "linear" else 1.0
            self.rates.append((self.base * start, self.warmup > 0))
        for number in range(len(self.rates), epoch + 1):
            current, overwritten = self.rates[-1]
            if overwritten and self.units.start(number) >= self.warmup:
                current, overwritten = self.base, False  # the last warm-up step left the base rate
            self.rates.append((change(self.schedule, current, number, self.base), overwritten))
        current, overwritten = self.rates[epoch]
        return self.base if overwritten else current


@functools.lru_cache(maxsize=64)
def _course(schedule: Schedule, base: float, warmup: int, units: Calendar) -> _Course:
    return _Course(schedule, base, warmup, units)


def _constant(schedule: Schedule, rate: float, epoch: int, base: float) -> float:
    return rate


def _step(schedule: Schedule, rate: float, epoch: int, base: float) -> float:
    return rate * schedule.factor if epoch % schedule.every == 0 else rate


def _multi_step(schedule: Schedule, rate: float, epoch: int, base: float) -> float:
    return rate * schedule.factor ** schedule.milestones.count(epoch)


def _exponential(schedule: Schedule, rate: float, epoch: int, base: float) -> float:
    return rate * schedule.factor


def _linear(schedule: Schedule, rate: float, epoch: int, base: float) -> float:
    """The ratio of neighbouring points of the line, applied to the rate in force."""
    if epoch > schedule.epochs:
        return rate

    def share(at: int) -> float:
        return schedule.start + (schedule.end - schedule.start) * at / schedule.epochs

    return rate * share(epoch) / share(epoch - 1)


def _cosine(schedule: Schedule, rate: float, epoch: int, base: float) -> float:
    """The recursive form of cosine annealing (Loshchilov and Hutter, ICLR 2017), which acts on the rate in force."""
    end = schedule.end
    if (epoch - 1 - schedule.epochs) % (2 * schedule.epochs) == 0:
        return rate + (base - end) * (1 - math.cos(math.pi / schedule.epochs)) / 2
    now, before = (1 + math.cos(math.pi * at / schedule.epochs) for at in (epoch, epoch - 1))
    return now / before * (rate - end) + end


_CHANGES: dict[str, Callable[[Schedule, float, int, float], float]] = {
    "constant": _constant,
    "step": _step,
    "multi_step": _multi_step,
    "exponential": _exponential,
    "linear": _linear,
    "cosine": _cosine,
}
