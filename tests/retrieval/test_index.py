import numpy as np
import pytest

from vprkit.errors import ConfigError, DataError
from vprkit.retrieval import engines
from vprkit.retrieval import index as module
from vprkit.retrieval.engines import ENGINES
from vprkit.retrieval.fast import FastIndex
from vprkit.retrieval.index import ExactIndex


def unit(rng, rows, dimension):
    vectors = rng.standard_normal((rows, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def loops(queries, vectors, metric, k):
    """The definition: float64 scores, best first, ties to the lower number."""
    numbers = []
    for query in queries.astype(np.float64):
        rows = vectors.astype(np.float64)
        scores = rows @ query if metric == "ip" else -((rows - query) ** 2).sum(1)
        numbers.append(sorted(range(len(rows)), key=lambda i, s=scores: (-s[i], i))[:k])
    return np.array(numbers)


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("engine", ["auto", *ENGINES])
@pytest.mark.parametrize("count", [1, 7])
def test_engines_equal_the_definition(metric, engine, count):
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((500, 24)).astype(np.float32) * rng.uniform(0.5, 2, (500, 1)).astype(np.float32)
    queries = rng.standard_normal((count, 24)).astype(np.float32)
    found = ExactIndex(vectors, metric, engine).search(queries, 20)
    assert np.array_equal(found.numbers, loops(queries, vectors, metric, 20))
    assert (np.diff(found.scores, axis=1) <= 0).all()


@pytest.mark.parametrize("engine", list(ENGINES))
def test_many_blocks_and_merges(engine, monkeypatch):
    monkeypatch.setattr(engines.Engine, "rows", lambda *_: 64)
    monkeypatch.setattr(module, "MERGE_AFTER", 3)
    monkeypatch.setattr(module, "QUERIES", 5)
    rng = np.random.default_rng(2)
    vectors, queries = unit(rng, 1000, 16), unit(rng, 13, 16)
    found = ExactIndex(vectors, "ip", engine).search(queries, 9)
    assert np.array_equal(found.numbers, loops(queries, vectors, "ip", 9))


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("engine", list(ENGINES))
def test_ties_go_to_the_lower_number_wherever_they_lie(metric, engine, monkeypatch):
    """More equal vectors than any shortlist holds: only the exact second pass can rank them."""
    monkeypatch.setattr(engines.Engine, "rows", lambda *_: 50)
    monkeypatch.setattr(module, "ROWS", 50)
    rng = np.random.default_rng(3)
    vectors = unit(rng, 300, 8)
    vectors[rng.choice(300, 60, replace=False)] = vectors[17]
    found = ExactIndex(vectors, metric, engine).search(vectors[17:18], 10)
    assert found.numbers.tolist() == loops(vectors[17:18], vectors, metric, 10).tolist()
    assert len(set(found.scores[0].tolist())) == 1


def test_near_ties_are_ranked_in_float64():
    rng = np.random.default_rng(4)
    vectors = np.repeat(unit(rng, 1, 512), 200, 0)
    vectors[:, 5] += np.linspace(0, 2e-7, 200, dtype=np.float32)[rng.permutation(200)]
    queries = unit(rng, 6, 512)
    found = ExactIndex(vectors).search(queries, 30)
    assert np.array_equal(found.numbers, loops(queries, vectors, "ip", 30))


def test_the_answer_does_not_depend_on_company():
    rng = np.random.default_rng(5)
    vectors, queries = unit(rng, 400, 32), unit(rng, 9, 32)
    together = ExactIndex(vectors).search(queries, 5)
    for row, query in enumerate(queries):
        alone = ExactIndex(vectors).search(query[None], 5)
        assert np.array_equal(alone.numbers[0], together.numbers[row])
        assert np.array_equal(alone.scores[0], together.scores[row])


def test_k_is_clipped_and_nothing_is_padded():
    vectors = np.eye(3, dtype=np.float32)
    found = ExactIndex(vectors).search(vectors[:2], 50)
    assert found.numbers.shape == (2, 3)
    assert sorted(found.numbers[0].tolist()) == [0, 1, 2]
    assert ExactIndex(vectors).search(np.zeros((0, 3), np.float32), 2).numbers.shape == (0, 2)


def test_what_does_not_fit_is_refused():
    vectors = np.eye(3, dtype=np.float32)
    with pytest.raises(DataError, match=r"\(Q, 3\)"):
        ExactIndex(vectors).search(np.zeros((1, 4), np.float32), 1)
    with pytest.raises(DataError, match="not finite"):
        ExactIndex(vectors).search(np.full((1, 3), np.nan, np.float32), 1)
    with pytest.raises(DataError, match="float32"):
        ExactIndex(vectors.astype(np.float64))
    with pytest.raises(ConfigError, match="metric 'cosine'"):
        ExactIndex(vectors, "cosine")
    with pytest.raises(ConfigError, match="engine 'quick'"):
        ExactIndex(vectors, engine="quick")


def test_a_read_only_memory_map_works(tmp_path):
    rng = np.random.default_rng(6)
    vectors = unit(rng, 300, 16)
    vectors.tofile(tmp_path / "v.bin")
    mapped = np.memmap(tmp_path / "v.bin", np.float32, "r", shape=vectors.shape)
    for engine in ENGINES:
        assert np.array_equal(ExactIndex(mapped, engine=engine).search(vectors[:5], 1).numbers[:, 0], np.arange(5))


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_fast_index_finds_and_is_kept(tmp_path, metric):
    rng = np.random.default_rng(7)
    centres = unit(rng, 40, 64)
    vectors = (centres[rng.integers(0, 40, 3000)] + 0.3 * unit(rng, 3000, 64)).astype(np.float32)
    fast = FastIndex.build(vectors, metric, "these")
    fast.save(tmp_path)
    assert fast.report.recall_at_10 > 0.95
    queries = vectors[:20] + 0.01 * unit(rng, 20, 64)
    exact = ExactIndex(vectors, metric).search(queries, 5)
    found = fast.search(queries, 5)
    assert np.mean(found.numbers[:, 0] == exact.numbers[:, 0]) > 0.9
    again = FastIndex.load(tmp_path, vectors, metric, lambda rows: "these")
    assert again.report == fast.report
    assert np.array_equal(again.search(queries, 5).numbers, found.numbers)
    assert FastIndex.load(tmp_path, vectors[:-1], metric, lambda rows: "these") is None
    assert FastIndex.load(tmp_path, vectors, metric, lambda rows: "others") is None


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("scale", [1e14, 1e17, 1e19])
def test_long_vectors_do_not_overflow(metric, scale):
    rng = np.random.default_rng(8)
    vectors = (rng.standard_normal((300, 16)) * scale).astype(np.float32)
    queries = (rng.standard_normal((3, 16)) * scale).astype(np.float32)
    for engine in ENGINES:
        found = ExactIndex(vectors, metric, engine).search(queries, 7)
        assert np.array_equal(found.numbers, loops(queries, vectors, metric, 7))


def test_database_vectors_that_are_not_finite_are_named():
    vectors = np.ones((9, 4), np.float32)
    vectors[5, 2] = np.nan
    with pytest.raises(DataError, match="database vector 5"):
        ExactIndex(vectors).search(np.ones((1, 4), np.float32), 2)
    with pytest.raises(DataError, match="at least one dimension"):
        ExactIndex(np.zeros((3, 0), np.float32))


def test_fast_index_refuses_small_maps():
    with pytest.raises(ConfigError, match="at least 1000 images"):
        FastIndex.build(np.eye(8, dtype=np.float32), "ip")
