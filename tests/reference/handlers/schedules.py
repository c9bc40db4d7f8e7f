"""Learning-rate schedules of the systems against `vprkit.training.schedules`."""

import re

import numpy as np

from tests.reference.runner import Case, handles
from vprkit.training.schedules import Schedule


@handles("lavpr/lr_schedule")
def lavpr(case: Case) -> None:
    milestones, factor = re.findall(r"epochs ([\d,]+) factor ([\d.]+)", case.json["checks"])[0]
    schedule = Schedule(
        "multi_step",
        warmup_steps=case.json["warmup_steps"],
        milestones=tuple(map(int, milestones.split(","))),
        factor=float(factor),
    )
    per_epoch = case.json["steps_per_epoch"]
    steps = range(case.json["epochs"] * per_epoch)
    case.check("lr", np.array([schedule.rate(step, case.json["base_lr"], per_epoch) for step in steps]))


@handles("rerankvpr/lr_schedule")
def rerankvpr(case: Case) -> None:
    for name, row in case.config.items():
        schedule = _named(name, row["warmup_steps"])
        steps = range(row["epochs"] * row["steps_per_epoch"])
        found = [schedule.rate(step, row["base_lr"], row["steps_per_epoch"]) for step in steps]
        case.compare(name, np.array(found), np.array(row["lr_used_at_each_step"]))


def _named(name: str, warmup: int) -> Schedule:
    """The case tells a schedule's kind and numbers in its name."""
    kind, *rest = name.split("_")
    numbers = [float(number) for number in re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", "_".join(rest))]
    if kind == "exp":
        return Schedule("exponential", warmup, factor=numbers[0])
    if kind == "cosine":
        return Schedule("cosine", warmup, epochs=int(numbers[0]), end=numbers[1])
    if kind == "step":
        return Schedule("step", warmup, every=int(numbers[0]), factor=numbers[1])
    if kind == "linear":
        return Schedule("linear", warmup, start=numbers[0], end=numbers[1], epochs=int(numbers[2]))
    assert kind == "none", name
    return Schedule("constant", warmup)
