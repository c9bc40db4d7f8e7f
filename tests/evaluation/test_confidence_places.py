"""The short version of `benchmarks/confidence_city.py`: places that the calibration has not seen."""

import dataclasses
import re
from pathlib import Path

import numpy as np
from PIL import Image

import vprkit
from tests.conftest import at_name, picture
from vprkit.evaluation.confidence import fit_confidence, judged, right_answers
from vprkit.evaluation.reliability import reject_curve, reliability

NOISES = (20.0, 30.0, 40.0, 60.0)


def write_noisy(root: Path, places: int) -> Path:
    """Two photos of every place, and a query each that is harder and harder to recognise."""
    for role in ("database", "queries"):
        (root / role).mkdir(parents=True)
    for place in range(places):
        photos = [("database", 20.0), ("database", 20.0), *(("queries", noise) for noise in NOISES)]
        for number, (role, noise) in enumerate(photos):
            pixels = picture(place, noise=noise, noise_seed=len(photos) * place + number)
            name = at_name(400_000 + 50 * place + number, 5_000_000.0, name=f"p{place}_{number}")
            Image.fromarray(pixels).save(root / role / name, quality=95)
    return root


def test_confidence_holds_for_places_that_were_not_fitted_on(tmp_path, hog):
    whole = vprkit.evaluate(hog, vprkit.open_benchmark(write_noisy(tmp_path, 100)))
    halves = [[], []]
    for row in whole.rankings:
        halves[int(re.search(r"@p(\d+)_", row.name).group(1)) % 2].append(row)
    one, other = (dataclasses.replace(whole, rankings=rows, queries=len(rows)) for rows in halves)
    values, right = judged(fit_confidence([one]), other), right_answers(other)
    found = reliability(values, right, 5)
    share = right.mean()
    assert found.ece < 0.15 and found.brier < 0.8 * share * (1 - share)
    scores = np.array([row.scores[0] for row in other.rankings])
    # The other evidence tells right from wrong better than the score does.
    raw = reject_curve((scores - scores.min()) / np.ptp(scores), right)
    assert reject_curve(values, right).area < raw.area
