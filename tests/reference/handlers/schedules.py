"""Learning-rate schedules of the systems against `vprkit.training.schedules`."""

import re

import numpy as np

from tests.reference.runner import Case, handles
from vprkit.training.schedules import Schedule


@handles("lavpr/lr_schedule")
def lavpr(case: Case) -> None:
    per_epoch, warmup = case.json["steps_per_epoch"], case.json["warmup_steps"]
    told = re.search(r"epochs ([\d,]+) factor ([\d.]+)", case.json.get("checks", ""))
    if told:
        milestones, factor = tuple(map(int, told[1].split(","))), float(told[2].rstrip("."))
    else:
        milestones, factor = _decays(case.output("lr").numpy(), per_epoch, warmup)
    schedule = Schedule("multi_step", warmup_steps=warmup, milestones=milestones, factor=factor)
    steps = range(case.json["epochs"] * per_epoch)
    case.check("lr", np.array([schedule.rate(step, case.json["base_lr"], per_epoch) for step in steps]))


def _decays(rates: np.ndarray, per_epoch: int, warmup: int) -> tuple[tuple[int, ...], float]:
    """Epochs before which the rate falls, and the factor, of a case whose sentence does not tell them.

    An epoch that begins during warm-up is left out, since whatever is set then is overwritten.
    """
    first = -(-max(warmup, 1) // per_epoch)
    starts = np.arange(first, len(rates) // per_epoch) * per_epoch
    ratios = rates[starts] / rates[starts - 1]
    fallen = ~np.isclose(ratios, 1)
    found = tuple(int(step) // per_epoch for step in starts[fallen])
    return found, float(ratios[fallen][0]) if found else 1.0


@handles("rerankvpr/lr_schedule")
def rerankvpr(case: Case) -> None:
    for name, row in case.config.items():
        schedule = _named(name, row["warmup_steps"])
        steps = range(row["epochs"] * row["steps_per_epoch"])
        found = [schedule.rate(step, row["base_lr"], row["steps_per_epoch"]) for step in steps]
        case.compare(name, np.array(found), np.array(row["lr_used_at_each_step"]))
        if name in case.outputs():
            case.check(name, np.array(found))


def _named(name: str, warmup: int) -> Schedule:
    """The case tells a schedule's kind and numbers in its name."""
    kind, *rest = name.split("_")
    rest = [word for word in rest if "warmup" not in word]  # its number is told apart
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
