"""Training with a memory of earlier batches against training without: the same seeds, drawn city and small network."""

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev

from common import table
from scipy import stats

import vprkit
from vprkit.data.city import make_city

Scores = dict[str, float]
ALONE = "without"


@dataclass(frozen=True)
class Regime:
    """How the arms train.

    Attributes:
        epochs: of each arm.
        before: epochs of one run without a memory that every arm starts from; 0: from nothing.
        options: where they differ from the recipe's.
    """

    epochs: int
    before: int = 0
    options: Mapping[str, object] = field(default_factory=dict)


SMALL_BATCHES = {
    "sampling.places": 4,
    "sampling.images": 4,
    "min_images": 4,
    "optimiser.rate": 1e-3,
    "schedule.kind": "constant",
    "schedule.warmup_steps": 0,
}
REGIMES = {
    "from-nothing": Regime(12),
    "small-batches": Regime(6, before=5, options=SMALL_BATCHES),  # slower change, few negatives in a batch
}


def arms(given: argparse.Namespace) -> dict[str, dict[str, object]]:
    """Settings of every arm, the one without a memory first."""
    found: dict[str, dict[str, object]] = {ALONE: {}}
    for start, decay in given.arms:
        name = f"from epoch {start}, decay {decay:g}"
        found[name] = {"memory.size": given.size, "memory.start_epoch": start, "memory.decay": decay}
    return found


def arm(text: str) -> tuple[int, float]:
    """`START:DECAY` of the command line."""
    start, _, decay = text.partition(":")
    return int(start), float(decay)


def one_run(options: Mapping[str, object], sets: Path, out: Path) -> Scores:
    """R@1 and R@5 in per cent on the other city, and the seconds that training took."""
    start = time.perf_counter()
    run = vprkit.train("compact", {"train": sets / "train"}, out=out, options=dict(options))
    seconds = time.perf_counter() - start
    result = vprkit.evaluate(vprkit.load_method(weights=run.weights), vprkit.open_benchmark(sets / "other"))
    return {
        "R@1": result.recalls[1],
        "R@5": result.recalls[5],
        **{f"R@1 {condition}": row["R@1"] for condition, row in result.conditions.items()},
        "training, s": seconds,
    }


def one_seed(seed: int, given: argparse.Namespace) -> dict[str, Scores]:
    """Every arm with this seed's cities, one to learn from and another to be measured on."""
    with tempfile.TemporaryDirectory() as scratch:
        sets = Path(scratch)
        make_city(sets / "train", given.places, 8, 1000 + seed, layouts=("gsv",))
        make_city(sets / "other", given.test_places, 12, 11 + seed)
        regime = REGIMES[given.regime]
        common: dict[str, object] = {"seed": seed, "epochs": regime.epochs, **regime.options}
        found: dict[str, Scores] = {}
        if regime.before:
            found["start"] = one_run({"seed": seed, "epochs": regime.before}, sets, sets / "run-start")
            common["initial"] = str(sets / "run-start")
        for name, options in arms(given).items():
            found[name] = one_run({**common, **options}, sets, sets / f"run-{len(found)}")
            shown = ", ".join(f"{key} {value:.1f}" for key, value in found[name].items())
            print(f"seed {seed}, {name}: {shown}", flush=True)
    return found


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation over the seeds."""
    return f"{mean(values):.1f} ± {stdev(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


def difference(values: Sequence[float]) -> str:
    """Mean of paired differences and their 95 % interval (Student's t)."""
    if len(values) < 2:
        return f"{values[0]:+.1f}"
    half = stats.t.ppf(0.975, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return f"{mean(values):+.1f} [{mean(values) - half:+.1f}, {mean(values) + half:+.1f}]"


def main(given: argparse.Namespace) -> None:
    runs = [one_seed(seed, given) for seed in given.seeds]
    rows = []
    names = list(arms(given))
    for line in runs[0][ALONE]:
        columns = {name: [run[name][line] for run in runs] for name in runs[0]}
        against = [difference([one - other for one, other in zip(values, columns[ALONE], strict=True)])
                   for name, values in columns.items() if name in names[1:]]  # fmt: skip
        rows.append([line, *(spread(values) for values in columns.values()), *against])
    table(
        f"compact, {given.regime}, {len(runs)} seeds, {given.places} places x 8, memory of {given.size} images: "
        f"mean and standard deviation, paired differences with 95 % interval",
        ("", *runs[0], *(f"{name} - {ALONE}" for name in names[1:])),
        rows,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--regime", choices=list(REGIMES), default="from-nothing")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--places", type=int, default=250)
    parser.add_argument("--test-places", type=int, default=80)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument(
        "--arms",
        type=arm,
        nargs="+",
        default=[(2, 0.1)],
        help="START:DECAY: epochs without it, and its decay",
    )
    main(parser.parse_args())
