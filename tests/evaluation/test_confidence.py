import dataclasses
import json

import numpy as np
import pytest

from tests.evaluation.answers import answers
from vprkit.data import geo
from vprkit.data.records import Records
from vprkit.errors import DataError, VprError
from vprkit.evaluation.confidence import cautions, fit_confidence, judged, right_answers, seen_in_fit
from vprkit.evaluation.reliability import reliability
from vprkit.retrieval.confidence import Confidence

SECOND = {"count": 100, "source": "store", "dtype": "float16", "ties": "first_stage", "reranker": "Mutual", "steps": 3}


@pytest.fixture(scope="module")
def fitted():
    return fit_confidence([answers(2000, seed=1)])


def test_it_holds_on_answers_it_has_not_seen(fitted):
    other = answers(4000, seed=2)
    found = reliability(judged(fitted, other), right_answers(other))
    assert found.ece < 0.05 and found.brier < 0.2
    assert found.bins[0].right < 0.35 and found.bins[-1].right > 0.8  # and it tells answers apart
    assert fitted.quality["ece"] == pytest.approx(found.ece, abs=0.03)


def test_several_evaluations_are_fitted_together():
    both = fit_confidence([answers(600, seed=1), answers(500, seed=2)])
    assert both.quality["queries"] == 1100 and [one.queries for one in both.fitted] == [600, 500]
    assert seen_in_fit(both, answers(10, seed=2)) and not seen_in_fit(both, answers(10, seed=3))


def test_evidence_is_that_of_a_plain_loop(fitted):
    result = answers(30, seed=5)
    values = judged(fitted, result)
    for row, value in zip(result.rankings, values, strict=True):
        positions = [result.images[number].position for number in row.ranking]
        same = [geo.metres_apart(positions[0], one) <= 25 for one in positions]
        scores = np.array(row.scores)
        rival = max((score for score, here in zip(scores, same, strict=True) if not here), default=scores[-1])
        lead, weights = scores[0] - rival, [1 / rank for rank in range(2, 11)]
        agreeing = sum(w for w, here in zip(weights, same[1:], strict=True) if here) / sum(weights)
        found = [scores[0], lead, lead / scores.std(), scores[0] - scores[-1], np.mean(same[1:]), agreeing]
        assert fitted.model.probabilities(np.array([found]))[0] == pytest.approx(value, abs=1e-9)


def test_places_in_another_zone_or_unknown_are_other_places(fitted):
    """The same metres in the next zone lie hundreds of kilometres away."""
    result = answers(200, seed=6)
    places = [[result.images[number].position for number in row.ranking[:2]] for row in result.rankings]
    row = next(row for row, (one, other) in enumerate(places) if geo.metres_apart(one, other) < 25)
    number = result.rankings[row].ranking[1]
    moved = dataclasses.replace(result.images[number].position, zone=33)
    gone = dataclasses.replace(moved, east=None, north=None, zone=None)
    before, values = judged(fitted, result)[row], []
    for position in (moved, gone):
        image = dataclasses.replace(result.images[number], position=position)
        changed = judged(fitted, dataclasses.replace(result, images={**result.images, number: image}))
        assert np.isfinite(changed).all()
        values.append(changed[row])
    assert values[0] == values[1] < before


def test_a_calibration_is_a_file(fitted, tmp_path):
    fitted.save(tmp_path / "c.json")
    again = Confidence.load(tmp_path / "c.json")
    assert again == fitted
    with pytest.raises(VprError, match="exists already"):
        fitted.save(tmp_path / "c.json")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda data: data.update(kind="other"), "something else"),
        (lambda data: data.update(format=9), "format 9"),
        (lambda data: data.update(names=["score"]), "judges by score"),
        (lambda data: data.update(depth=3), "depth"),
        (lambda data: data["model"].update(weights=[1e999] * 6), "finite"),
        (lambda data: data["model"].update(intercept=10**400), "intercept"),
        (lambda data: data["model"].pop("mean"), "mean"),
        (lambda data: data.update(more=1), "unknown key 'more'"),
        (lambda data: data.clear(), "something else"),
    ],
    ids=["kind", "format", "evidence", "depth", "infinite", "huge", "missing", "unknown", "empty"],
)
def test_other_files_are_refused(fitted, tmp_path, change, why):
    path = tmp_path / "c.json"
    fitted.save(path)
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(DataError, match=why):
        Confidence.load(path)


def test_files_that_are_no_json_are_refused(tmp_path):
    (tmp_path / "c.json").write_bytes(b"\xff[[[")
    with pytest.raises(DataError, match="not a calibration"):
        Confidence.load(tmp_path / "c.json")
    with pytest.raises(DataError, match="there is no such file"):
        Confidence.load(tmp_path / "d.json")


def test_answers_of_another_kind_are_refused(fitted):
    with pytest.raises(DataError, match="answers of hog, not of thumbnail"):
        judged(fitted, answers(20, method="thumbnail", identity={"method": "thumbnail", "metric": "ip"}))
    with pytest.raises(DataError, match="of hog with another metric"):
        judged(fitted, answers(20, identity={"method": "hog", "metric": "l2"}))
    with pytest.raises(DataError, match=r"answers without re-ranking, these are re-ranked by Mutual \(100 cand"):
        judged(fitted, answers(20, reranked=100, second_stage=SECOND))
    texts = answers(20)
    texts = dataclasses.replace(texts, rankings=[dataclasses.replace(row, text="a bakery") for row in texts.rankings])
    with pytest.raises(DataError, match="queries by photo, these are by photo and text"):
        judged(fitted, texts)


def test_a_second_stage_has_a_calibration_of_its_own():
    reranked = {"reranked": 100, "second_stage": SECOND}
    fitted = fit_confidence([answers(500, **reranked)])
    elsewhere = answers(20, reranked=100, second_stage={**SECOND, "source": "ram", "dtype": "int8"})
    assert np.isfinite(judged(fitted, elsewhere)).all()  # kept elsewhere, but the same scores
    for other, why in (({**SECOND, "steps": 4}, "steps 4"), ({**SECOND, "count": 50}, "50 candidates")):
        with pytest.raises(DataError, match=why):
            judged(fitted, answers(20, reranked=100, second_stage=other))
    with pytest.raises(DataError, match="these are without re-ranking"):
        judged(fitted, answers(20))


def test_turning_photos_by_exif_makes_no_other_method(fitted):
    turned = {"method": "hog", "metric": "ip", "preprocessing": {"size": [1, 2], "exif_orientation": True}}
    other = {"method": "hog", "metric": "ip", "preprocessing": {"size": [1, 2], "exif_orientation": False}}
    own = fit_confidence([answers(500, identity=turned)])
    assert np.isfinite(judged(own, answers(20, identity=other))).all()


def test_few_hits_are_looked_at_as_far_as_they_go(fitted):
    few = fit_confidence([answers(500, hits=6)])
    assert few.depth == 6 and np.isfinite(judged(few, answers(20))).all()
    with pytest.raises(DataError, match="keeps 6 scored hits of each query, the calibration looks at 10"):
        judged(fitted, answers(20, hits=6))
    with pytest.raises(DataError, match="keep 4 scored hits"):
        fit_confidence([answers(500, hits=4)])


def test_queries_without_enough_scored_hits_have_no_confidence(fitted):
    result = answers(20, seed=3)
    skipped = dataclasses.replace(result.rankings[4], ranking=[], scores=[], right=[], first_hit=None)
    unscored = dataclasses.replace(result.rankings[7], scores=[*result.rankings[7].scores[:6], *[None] * 4])
    rows = [*result.rankings[:4], skipped, *result.rankings[5:7], unscored, *result.rankings[8:]]
    values = judged(fitted, dataclasses.replace(result, rankings=rows))
    assert np.flatnonzero(np.isnan(values)).tolist() == [4, 7]


def test_what_cannot_be_fitted_is_said():
    with pytest.raises(DataError, match="at least one evaluation"):
        fit_confidence([])
    with pytest.raises(DataError, match="60 queries with .* too few"):
        fit_confidence([answers(60)])
    perfect = answers(300)
    rows = [dataclasses.replace(row, first_hit=1) for row in perfect.rankings]
    with pytest.raises(DataError, match="300 right and 0 wrong"):
        fit_confidence([dataclasses.replace(perfect, rankings=rows)])
    with pytest.raises(DataError, match="no ground truth"):
        fit_confidence([answers(300, recalls={})])
    with pytest.raises(DataError, match="answers of hog, not of thumbnail"):
        fit_confidence([answers(300), answers(300, method="thumbnail", identity={"method": "thumbnail"})])
    assert fit_confidence([answers(300, identity={})]).identity == {"method": "hog"}  # somebody's own rankings


@pytest.mark.parametrize("alone", [0, 1], ids=["one building", "all but one"])
def test_queries_of_one_building_are_folded_by_their_order(alone):
    """Squares would leave nothing, or one answer, to learn from."""
    result = answers(600)
    here = dataclasses.replace(result.rankings[0].position, east=400_010.0, north=5_000_010.0)
    there = dataclasses.replace(here, east=401_010.0)
    rows = [dataclasses.replace(row, position=there if number < alone else here)
            for number, row in enumerate(result.rankings)]  # fmt: skip
    fitted = fit_confidence([dataclasses.replace(result, rankings=rows)])
    assert fitted.quality["brier"] == pytest.approx(fit_confidence([result]).quality["brier"], abs=0.02)


def test_another_meaning_of_right_is_said(fitted):
    assert cautions(fitted, answers(200, seed=2)) == []
    found = cautions(fitted, answers(200, seed=1, rule="within 50 m"))
    assert len(found) == 2 and "within 50 m; where the calibration was fitted: within 25 m" in found[1]


def test_few_answers_are_said_to_be_too_few(fitted):
    assert cautions(fitted, answers(199, seed=2)) == [
        "these answers are too few to judge a calibration by (199); take at least 200"
    ]


def test_answers_unlike_those_of_the_fit_are_said(fitted):
    result = answers(200, seed=2)
    higher = [dataclasses.replace(row, scores=[score + 0.1 for score in row.scores]) for row in result.rankings]
    found = cautions(fitted, dataclasses.replace(result, rankings=higher))
    assert (
        len(found) == 1
        and "(score, the score of the first hit, is " in found[0]
        and "higher on average), so it may be far off" in found[0]
    )
    empty = [dataclasses.replace(row, scores=[]) for row in result.rankings]
    assert cautions(fitted, dataclasses.replace(result, rankings=empty)) == []


def test_answers_with_scores_that_are_not_numbers_have_no_confidence(fitted):
    result = answers(3)
    images = Records.from_rows("", [{"name": "", **vars(result.images[number].position)}
                                    for row in result.rankings for number in row.ranking])  # fmt: skip
    scores = np.array([row.scores for row in result.rankings])
    expected = judged(fitted, result)
    scores[1, 9] = -np.inf
    found = fitted.of_hits(scores, images)
    assert np.isnan(found[1]) and found[[0, 2]] == pytest.approx(expected[[0, 2]])
    with pytest.raises(VprError, match="looks at 10 hits"):
        fitted.of_hits(scores[:, :9], images)
