import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from tests.conftest import DATASETS, at_name, picture, real_set, write_set
from vprkit.data.benchmark import open_benchmark
from vprkit.data.positives import Positives
from vprkit.errors import ConfigError, DataError, ImageError, StoreError
from vprkit.evaluation.comparison import compare
from vprkit.evaluation.evaluate import evaluate, evaluate_descriptors, evaluate_rankings
from vprkit.evaluation.result import Result
from vprkit.loading import load_method
from vprkit.method import Method
from vprkit.retrieval.describe import Streaming

REAL = (
    "corridor-a",
    "essex-thumbs-a",
    "gardens-thumbs-a",
    "landmarks",
    "msls-weather-blur-a",
    "sped-thumbs-a",
    "toy-sf",
)


@pytest.fixture(scope="module")
def result(shared_set, thumbnail):
    return evaluate(thumbnail, open_benchmark(shared_set))


@pytest.mark.parametrize(
    "name", sorted(p.name for p in DATASETS.iterdir() if p.is_dir()) if DATASETS.is_dir() else REAL
)
def test_the_baseline_of_every_real_set_is_reproduced(name, thumbnail):
    folder = real_set(name)
    baseline = json.loads((folder / "baseline.json").read_text())
    for truth, expected in baseline["results"].items():
        benchmark = open_benchmark(folder, ground_truth=truth)
        found = evaluate(thumbnail, benchmark)
        assert found.queries == expected["queries_total"]
        assert found.queries - found.queries_without_positives == expected["queries_with_positives"]
        for k in (1, 5, 10):
            assert abs(found.recalls[k] / 100 * found.queries - expected[f"hits@{k}"]) < 1.5
            assert found.recalls_answerable[k] / 100 == pytest.approx(expected[f"recall@{k}"], abs=1.5 / found.queries)
        top = {row.name.split("/")[-1]: found.images[row.ranking[0]].name.split("/")[-1] for row in found.rankings}
        assert sum(top[query] != answer for query, answer in baseline["top1"].items()) <= 1


@pytest.mark.parametrize("name", ["sped-thumbs-a", "gardens-thumbs-a"])
def test_hog_beats_the_thumbnail(name, hog, thumbnail):
    benchmark = open_benchmark(real_set(name))
    assert evaluate(hog, benchmark).recalls[1] > evaluate(thumbnail, benchmark).recalls[1]


def test_a_result_says_everything(result, shared_set):
    assert set(result.recalls) == {1, 5, 10, 20} and result.recalls[5] >= result.recalls[1] > 50
    low, high = result.intervals[1]
    assert low <= result.recalls[1] <= high
    assert result.conditions.keys() == {"day", "night"} and result.conditions["day"]["queries"] == 8
    assert {"decode", "describe", "search"} <= set(result.timings)
    assert result.timings["decode"]["items"] == 24
    assert result.environment["precision"] == "fp32" and "torch" in result.environment
    assert result.identity["method"] == "thumbnail" and len(result.list_hashes["queries"]) == 64
    row = result.rankings[0]
    assert (
        row.metres == pytest.approx(3.0) and row.first_hit == 1 and row.positives == 1 and row.truth == row.ranking[0]
    )
    for text in ("thumbnail on set", "R@1", "95%", "mAP", "AUC", "describe", "night"):
        assert text in result.table()
    assert "only 8 database images: R@10, R@20 is R@8" in " ".join(result.notices)


def test_saved_and_loaded_it_is_the_same(result, tmp_path):
    path = tmp_path / "run.json"
    result.save(path)
    assert Result.load(path) == result
    assert set(json.loads(path.read_text())["recalls"]) == {"1", "5", "10", "20"}
    with pytest.raises(Exception, match="exists already"):
        result.save(path)
    path.write_text("{}")
    with pytest.raises(DataError, match="not a result"):
        Result.load(path)
    with pytest.raises(DataError, match="no such file"):
        Result.load(tmp_path / "none.json")


def test_queries_without_positive_count_as_misses_and_are_said(photo_set, thumbnail):
    Image.fromarray(picture(3)).save(photo_set / "queries" / at_name(900_000, 5e6, "day", "far"))
    found = evaluate(thumbnail, open_benchmark(photo_set))
    assert found.queries_without_positives == 1
    assert found.recalls[5] < found.recalls_answerable[5]
    assert "1 of 17 queries has no positive and counts as a miss" in " ".join(found.notices)


def test_features_are_kept_and_reused(shared_set, hog, thumbnail, tmp_path, monkeypatch):
    benchmark = open_benchmark(shared_set)
    first = evaluate(hog, benchmark, features=tmp_path / "features")
    with pytest.raises(StoreError, match="asked for 'thumbnail'"):
        evaluate(thumbnail, benchmark, features=tmp_path / "features")
    monkeypatch.setattr(Method, "describe_batch", lambda *_: pytest.fail("described again"))
    again = evaluate(hog, benchmark, features=tmp_path / "features")
    assert [row.ranking for row in again.rankings] == [row.ranking for row in first.rankings]
    subset = benchmark.take_queries(np.array([3, 1]))
    assert [row.ranking for row in evaluate(hog, subset, features=tmp_path / "features").rankings] == [
        first.rankings[3].ranking, first.rankings[1].ranking]  # fmt: skip


def test_a_features_folder_does_not_grow_with_what_else_is_known_of_images(shared_set, hog, tmp_path):
    """Texts, times and positions come from the benchmark: nothing is copied where they have changed."""

    def told(records, word):
        moved = dataclasses.replace(records, east=records.east + len(word)).with_text("time", [word] * len(records))
        return moved.with_text("text", [f"{word} {n}" for n in range(len(records))])

    def size():
        return sum(path.stat().st_size for path in (tmp_path / "features").rglob("*"))

    plain = open_benchmark(shared_set)
    first, taken = evaluate(hog, plain, features=tmp_path / "features"), size()
    for word in ("street", "harbour", "street"):
        other = dataclasses.replace(plain, database=told(plain.database, word), queries=told(plain.queries, word))
        result = evaluate(hog, other, features=tmp_path / "features")
        assert size() == taken
        assert [row.ranking for row in result.rankings] == [row.ranking for row in first.rankings]
        assert result.images[0].position.east == plain.database.east[0] + len(word)


def test_a_features_folder_keeps_precisions_apart(shared_set, tmp_path):
    benchmark, precise = open_benchmark(shared_set), load_method("dinov2-vits14", "random:1", depth=1, resize="28")
    rough = load_method("dinov2-vits14", "random:1", depth=1, resize="28", precision="bf16")
    folder = tmp_path / "features"
    evaluate(rough, benchmark, features=folder)
    alone, beside = evaluate(precise, benchmark), evaluate(precise, benchmark, features=folder)
    assert [row.scores for row in beside.rankings] == [row.scores for row in alone.rankings]
    assert [row.scores for row in evaluate(rough, benchmark, features=folder).rankings] != [
        row.scores for row in alone.rankings]  # fmt: skip


def test_ones_own_descriptors_and_rankings(shared_set, thumbnail, result):
    benchmark = open_benchmark(shared_set)
    database = thumbnail.describe([record.path for record in benchmark.database]).global_.numpy()
    queries = thumbnail.describe([record.path for record in benchmark.queries]).global_.numpy()
    mine = evaluate_descriptors(queries, database, benchmark)
    assert mine.recalls == result.recalls and mine.curve.auc == pytest.approx(result.curve.auc)
    rankings = np.array([row.ranking for row in result.rankings])
    ranked = evaluate_rankings(rankings, benchmark)
    assert ranked.recalls == result.recalls and ranked.curve is None
    assert evaluate_rankings(rankings, benchmark, scores=-np.arange(8.0) + np.zeros((16, 1))).curve is not None


def test_vectors_of_varying_lengths_are_said_under_inner_product(shared_set):
    benchmark, random = open_benchmark(shared_set), np.random.default_rng(0)

    def told(queries, database, metric="ip"):
        result = evaluate_descriptors(queries, database, benchmark, metric=metric)
        return [notice for notice in result.notices if "lengths" in notice], result.table()

    queries, database = (
        each / np.linalg.norm(each, axis=1)[:, None] for each in np.split(random.normal(size=(24, 4)), [16])
    )
    database[3] = 0  # such as the vector of a black photo: normalising does not help
    assert told(queries, 7 * database)[0] == []
    database[0] *= 2.5
    sentence = (
        "vectors have lengths from 1 to 2.5 and are compared by inner product; normalise them or give metric='l2'"
    )
    assert told(queries, database)[0] == [f"database {sentence}"]
    assert "compared by: inner product (ip)" in told(queries, database)[1]
    found, table = told(queries, database, "l2")
    assert found == [] and "compared by: Euclidean distance (l2)" in table


def test_padded_and_short_rankings(shared_set):
    benchmark = open_benchmark(shared_set)
    rankings = np.full((16, 3), -1)
    rankings[0] = [benchmark.positives[0][0], -1, -1]
    found = evaluate_rankings(rankings, benchmark)
    assert found.recalls == {1: 6.25}
    assert "only 3 ranked images per query: R@5, R@10, R@20 cannot be told" in " ".join(found.notices)
    assert found.rankings[1].ranking == []
    rankings[0, 0] = -2
    with pytest.raises(DataError, match="rankings name database image -2, the benchmark has"):
        evaluate_rankings(rankings, benchmark)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: evaluate_rankings(np.zeros((2, 3), int), b), r"shape \(16, K\)"),
        (lambda b: evaluate_rankings(np.full((16, 3), 8), b), "database image 8"),
        (lambda b: evaluate_rankings(np.zeros((16, 3)), b), "whole numbers"),
        (lambda b: evaluate_rankings([[0, 1], [2]] * 8, b), "rankings hold rows of different lengths; fill .* with -1"),
        (lambda b: evaluate_rankings(np.array([[0, 1], [2]] * 8, object), b), "rows of different lengths"),
        (lambda b: evaluate_rankings([["d0", "d1"]] * 16, b), "rankings must be numbers"),
        (
            lambda b: evaluate_rankings([[0, 1]] * 16, b, scores=[[1.0, 0.5], [1.0]] * 8),
            "scores hold rows of different",
        ),
        (lambda b: evaluate_descriptors([[1.0], [1.0, 2.0]] * 8, np.ones((8, 2)), b), "query descriptors hold rows"),
        (lambda b: evaluate_rankings(np.tile([0, 1, 2], (16, 1)), b, scores=np.zeros((16, 2))), "must agree"),
        (lambda b: evaluate_rankings(np.zeros((16, 3), int), b), "query 0 names a database image twice"),
        (lambda b: evaluate_rankings(np.tile([0, -1, 2], (16, 1)), b), "query 0 has -1 before its end"),
        (lambda b: evaluate_rankings(np.zeros((16, 0), int), b), "no column"),
        (lambda b: evaluate_descriptors(np.ones((16, 4)), np.full((8, 4), np.nan), b), "database vector 0"),
        (lambda b: evaluate_descriptors(np.zeros((3, 4)), np.zeros((8, 4)), b), "query descriptors"),
        (
            lambda b: evaluate_descriptors(np.ones((16, 4)), np.ones((8, 4)), b, metric="cosine"),
            "bring the vectors to length 1 and use 'ip'",
        ),
        (lambda b: evaluate_rankings(np.tile([0, 1, 2], (16, 1)), b, ks=[0]), "positive whole numbers"),
    ],
)
def test_what_does_not_fit_is_refused(shared_set, call, message):
    with pytest.raises((DataError, ConfigError), match=message):
        call(open_benchmark(shared_set))


def test_unlabelled_sets_are_ranked(tmp_path, hog):
    for role in ("database", "queries"):
        (tmp_path / role).mkdir()
        for number in range(3):
            Image.fromarray(picture(number)).save(tmp_path / role / f"{number}.png")
    found = evaluate(hog, open_benchmark(tmp_path))
    assert not found.labelled and found.recalls == {}
    assert [row.ranking[0] for row in found.rankings] == [0, 1, 2]
    assert "not scored; add ground_truth.csv (query,positives), or positions" in found.table()
    assert "R@" not in found.table()  # nothing is said of recalls that there are none of


def test_bad_images_fail_or_count_as_misses(photo_set, thumbnail):
    sorted((photo_set / "queries").iterdir())[0].write_bytes(b"x")
    benchmark = open_benchmark(photo_set)
    with pytest.raises(ImageError):
        evaluate(thumbnail, benchmark)
    found = evaluate(thumbnail, benchmark, streaming=Streaming(on_error="skip"))
    assert found.rankings[0].ranking == [] and found.rankings[0].first_hit is None
    first, *others = benchmark.queries.names
    sentence = f"1 query image could not be read and was skipped: {first}; a skipped query counts as a miss"
    assert sentence in found.notices
    for name in others[:3]:
        (photo_set / name).write_bytes(b"x")
    found = evaluate(thumbnail, benchmark, streaming=Streaming(on_error="skip"))
    said = (
        f"4 query images could not be read and were skipped, such as {', '.join([first, *others[:2]])}; skipped queries"
    )
    assert any(notice.startswith(said) for notice in found.notices)


def test_comparison_is_paired(tmp_path, hog, thumbnail):
    benchmark = open_benchmark(write_set(tmp_path / "set", places=20, notes=("day", "night", "rain")))
    one, two = evaluate(thumbnail, benchmark), evaluate(hog, benchmark)
    first = compare(one, two).differences[0]
    assert first.points == pytest.approx(two.recalls[1] - one.recalls[1])
    assert first.only_second - first.only_first == round((two.recalls[1] - one.recalls[1]) * 60 / 100)
    same = compare(one, one).differences[0]
    assert (same.points, same.p_value) == (0.0, 1.0)
    other = evaluate(thumbnail, open_benchmark(write_set(tmp_path / "other", places=3)))
    with pytest.raises(DataError, match="not comparable"):
        compare(one, other)
    shifted = dataclasses.replace(benchmark, positives=Positives.of([*list(benchmark.positives)[1:], [0]]))
    with pytest.raises(DataError, match="not comparable"):
        compare(one, evaluate(thumbnail, shifted))  # the same images and the same words
    before = dataclasses.replace(one, list_hashes={k: one.list_hashes[k] for k in ("database", "queries")})
    assert compare(before, two).differences[0] == first  # as earlier versions saved it


def test_mcnemar_of_a_known_table(shared_set):
    benchmark = open_benchmark(shared_set)
    right = np.array([[p[0]] for p in benchmark.positives])
    wrong = (right + 1) % 8
    better, worse = right.copy(), right.copy()
    worse[:8] = wrong[:8]
    difference = compare(evaluate_rankings(worse, benchmark, ks=[1]), evaluate_rankings(better, benchmark, ks=[1]))
    assert difference.differences[0].p_value == pytest.approx(2 * 0.5**8)
    assert difference.differences[0].only_second == 8


def test_json_without_any_answerable_query_is_still_json(photo_set, thumbnail, tmp_path):
    for path in (photo_set / "queries").iterdir():
        path.unlink()
    Image.fromarray(picture(3)).save(photo_set / "queries" / at_name(900_000, 5e6, "day", "far"))
    found = evaluate(thumbnail, open_benchmark(photo_set))
    assert np.isnan(found.recalls_answerable[1]) and found.recalls[1] == 0 and found.mean_average_precision is None

    def refuse(constant):
        raise AssertionError(constant)

    assert json.loads(found.to_json(), parse_constant=refuse)["recalls_answerable"]["1"] is None
    found.save(tmp_path / "run.json")
    assert np.isnan(Result.load(tmp_path / "run.json").recalls_answerable[1])
