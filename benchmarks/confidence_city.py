"""Is a calibrated confidence true in a city it was not fitted on? `hog` on pairs of drawn cities, conditions mixed.

A calibration is fitted on one city and judged on the queries of another: expected calibration error (ECE) in 10
equal-mass bins, Brier score, area under risk over coverage (AURC), how many queries could be answered at 90, 95 and
99 % right, and what comes of a threshold that was chosen for 95 % right on the city of the fit. Beside it stand the top
score stretched to 0..1 and Platt's scaling of the top score alone, so that one sees what the other evidence brings.
Then the same where a fifth of the places is not in either database ("I do not know this place"), and across: fitted by
day, judged at night; fitted where every place is known, judged where not.
"""

import argparse
import dataclasses
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from common import table

import vprkit
from vprkit.data.benchmark import Benchmark
from vprkit.data.city import make_city
from vprkit.data.positives import zone_aware
from vprkit.evaluation.calibration import Examples, fit
from vprkit.evaluation.confidence import fit_confidence, judged, right_answers
from vprkit.evaluation.reliability import reject_curve, reliability
from vprkit.evaluation.result import Result

RADIUS = 25.0
UNKNOWN = 5
"""Every so manieth place is taken out of the database."""

HEADER = (
    "fitted on",
    "judged on",
    "queries",
    "right",
    "confidence",
    "ECE",
    "Brier",
    "AURC",
    "answered at 90 / 95 / 99 %",
    "95 % threshold carried over: answered, right",
)

Judge = Callable[[Result, Result], np.ndarray]


def drawn(folder: Path, seed: int, given: argparse.Namespace) -> Benchmark:
    """A city; one that is in the folder already is not drawn again."""
    if not (folder / str(seed) / "city.json").is_file():
        make_city(folder / str(seed), given.places, given.views, seed, size=given.size, workers=1)
    return vprkit.open_benchmark(folder / str(seed))


def thinned(whole: Benchmark) -> Benchmark:
    """The same city of which a fifth of the places was never photographed for the database."""
    places = [int(re.search(r"p(\d+)v", name).group(1)) for name in whole.database.names]
    database = whole.database.take(np.flatnonzero(np.array(places) % UNKNOWN != 0))
    positives = zone_aware(database, whole.queries, RADIUS)
    return dataclasses.replace(whole, name=f"{whole.name}, a fifth unknown", database=database, positives=positives)


def calibrated(fitted_on: Result, judged_on: Result) -> np.ndarray:
    return judged(fit_confidence([fitted_on]), judged_on)


def platt(fitted_on: Result, judged_on: Result) -> np.ndarray:
    """Logistic regression on the top score alone."""
    right = right_answers(fitted_on)
    model = fit(Examples(top_scores(fitted_on)[:, None], right, np.zeros(len(right), int)))
    return model.probabilities(top_scores(judged_on)[:, None])


def stretched(fitted_on: Result, judged_on: Result) -> np.ndarray:
    """The top score from the least to the greatest of the fitted run, as 0..1."""
    known = top_scores(fitted_on)
    return np.clip((top_scores(judged_on) - known.min()) / np.ptp(known), 0, 1)


JUDGES: dict[str, Judge] = {"calibrated": calibrated, "Platt on the score": platt, "score as 0..1": stretched}


def top_scores(result: Result) -> np.ndarray:
    return np.array([row.scores[0] for row in result.rankings])


def of_condition(result: Result, condition: str) -> Result:
    rows = [row for row in result.rankings if row.condition == condition]
    return dataclasses.replace(result, rankings=rows, queries=len(rows), benchmark=f"{result.benchmark}, {condition}")


def rows(fitted_on: Result, judged_on: Result) -> list[tuple[str, ...]]:
    lines = []
    for name, judge in JUDGES.items():
        values, right = judge(fitted_on, judged_on), right_answers(judged_on)
        found, curve = reliability(values, right), reject_curve(values, right)
        answered = " / ".join(f"{100 * level.answered:.1f}" for level in curve.levels())
        threshold = reject_curve(judge(fitted_on, fitted_on), right_answers(fitted_on)).at(0.95).threshold
        given = values >= (2.0 if threshold is None else threshold)
        carried = f"{100 * given.mean():.1f} %, {100 * right[given].mean():.1f} %" if given.any() else "none"
        lines.append((fitted_on.benchmark, judged_on.benchmark, f"{found.count:,}", f"{100 * found.right:.1f} %", name,
                      f"{found.ece:.4f}", f"{found.brier:.4f}", f"{curve.area:.4f}", answered, carried))  # fmt: skip
    return lines


def main(given: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    method = vprkit.load_method(given.method, device="cpu")
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.cities or Path(scratch)
        whole, part = {}, {}
        for seed in dict.fromkeys(seed for pair in given.pairs for seed in pair):
            city = drawn(folder, seed, given)
            kept = folder / f"features-{given.method}"
            whole[seed] = vprkit.evaluate(method, city, features=kept)
            part[seed] = vprkit.evaluate(method, thinned(city), features=kept)
            print(f"city {seed}: R@1 {whole[seed].recalls[1]:.1f}, with unknown places {part[seed].recalls[1]:.1f}",
                  flush=True)  # fmt: skip
        mixed, unknown, across = [], [], []
        for one, other in given.pairs:
            mixed += rows(whole[one], whole[other])
            unknown += rows(part[one], part[other])
            across += rows(of_condition(whole[one], "day"), of_condition(whole[other], "night"))
            across += rows(whole[one], part[other])
    table(f"{given.method}, six conditions mixed", HEADER, mixed)
    table(f"{given.method}, a fifth of the places unknown to both databases", HEADER, unknown)
    table(f"{given.method}, across conditions and kinds of map", HEADER, across)
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        one, other = given.pairs[0]
        whole[one].save(given.out / "fitted.json", overwrite=True)
        whole[other].save(given.out / "judged.json", overwrite=True)
        fit_confidence([whole[one]]).save(given.out / "confidence.json", overwrite=True)


def pair(text: str) -> tuple[int, int]:
    one, other = text.split(":")
    return int(one), int(other)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=pair, nargs="+", default=[(11, 12), (12, 11), (13, 14), (14, 13)],
                        metavar="FIT:JUDGE", help="seeds of cities")  # fmt: skip
    parser.add_argument("--method", default="hog")
    parser.add_argument("--places", type=int, default=720)
    parser.add_argument("--views", type=int, default=12, help="photos of each place, half of them queries")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--cities", type=Path, help="folder that keeps the drawn cities and what was described")
    parser.add_argument("--out", type=Path, help="folder for the first pair's runs and calibration, for pictures")
    main(parser.parse_args())
