"""The short version of `benchmarks/confidence_city.py`: places of a drawn city that the calibration has not seen."""

import dataclasses
import re

import numpy as np

import vprkit
from vprkit.evaluation.confidence import fit_confidence, judged, right_answers
from vprkit.evaluation.reliability import reject_curve, reliability


def test_confidence_holds_for_places_that_were_not_fitted_on(tmp_path, hog):
    vprkit.make_city(tmp_path / "city", places=52, views=8, seed=3, size=32, workers=1)
    whole = vprkit.evaluate(hog, vprkit.open_benchmark(tmp_path / "city"))
    halves = [[], []]
    for row in whole.rankings:
        halves[int(re.search(r"p(\d+)v", row.name).group(1)) % 2].append(row)
    one, other = (dataclasses.replace(whole, rankings=rows, queries=len(rows)) for rows in halves)
    values, right = judged(fit_confidence([one]), other), right_answers(other)
    found = reliability(values, right, 5)
    share = right.mean()
    assert found.ece < 0.15 and found.brier < 0.8 * share * (1 - share)
    scores = np.array([row.scores[0] for row in other.rankings])
    # The other evidence tells right from wrong better than the score does.
    raw = reject_curve((scores - scores.min()) / np.ptp(scores), right)
    assert reject_curve(values, right).area < raw.area
