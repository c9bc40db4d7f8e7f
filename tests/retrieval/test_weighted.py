"""Weighted sums of two inner products: the same answers as the long vectors give."""

from pathlib import Path

import numpy as np
import pytest
import torch

from vprkit.aggregators.unit import unit
from vprkit.methods.lavpr_fusion.comparing import weighted
from vprkit.retrieval.fast import FastIndex
from vprkit.retrieval.index import ExactIndex
from vprkit.retrieval.weighted import WeightedIndex, WeightedRows, exact_index


def drawn(rng: np.random.Generator, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Vectors of images and of texts, some of them zeros, and shares."""
    image, text = (torch.from_numpy(rng.standard_normal((count, width), np.float32)) for width in (12, 20))
    text[::7] = 0
    share = torch.from_numpy(rng.random((count, 1), np.float32))
    return image, text, torch.cat([share, 1 - share], 1)


@pytest.mark.parametrize("count", [3, 700, 9000], ids=["few", "one_block", "two_blocks"])
def test_the_answers_are_those_of_the_long_vectors(count: int) -> None:
    rng = np.random.default_rng(count)
    image, text, weight = drawn(rng, count)
    rows = WeightedRows(image.numpy(), text.numpy(), weight.numpy())
    long = weighted(unit(image), unit(text), weight, "database").numpy()
    asked = [part[:9] for part in drawn(rng, 9)]
    assert not asked[1][0].any() and asked[1][1].any()  # the first query has no text
    queries = weighted(unit(asked[0]), unit(asked[1]), asked[2], "query").numpy()
    assert rows.shape == long.shape
    assert rows.kept_bytes * count == image.numpy().nbytes + text.numpy().nbytes + weight.numpy().nbytes
    np.testing.assert_allclose(rows[:], long, atol=1e-6)
    index = exact_index(rows, "ip")
    assert isinstance(index, WeightedIndex)
    found, expected = index.search(queries, 5), ExactIndex(long).search(queries, 5)
    np.testing.assert_array_equal(found.numbers, expected.numbers)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
    parts = rows.taken_apart(queries)
    assert parts is not None
    shares = np.stack([asked[2][:, 0], np.ones(9)], 1)
    np.testing.assert_allclose(parts[0][1], [(1, 0) if row in (0, 7) else shares[row] for row in range(9)], rtol=1e-4)
    np.testing.assert_allclose(rows.scores(parts, slice(None)).numpy(), queries @ long.T, atol=1e-5)


def test_queries_of_another_form_are_answered_too() -> None:
    rng = np.random.default_rng(1)
    rows = WeightedRows(*(part.numpy() for part in drawn(rng, 300)))
    queries = rng.standard_normal((4, rows.shape[1]), np.float32)
    assert rows.taken_apart(queries) is None
    found, expected = exact_index(rows, "ip").search(queries, 7), ExactIndex(rows[:]).search(queries, 7)
    np.testing.assert_array_equal(found.numbers, expected.numbers)


def test_a_fast_index_never_makes_all_the_long_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    rows = WeightedRows(*(part.numpy() for part in drawn(rng, 1200)))
    FastIndex.build(rows, "ip", "these").save(tmp_path)
    most, plain = [0], WeightedRows.__getitem__

    def counted(self: WeightedRows, wanted: np.ndarray | slice) -> np.ndarray:
        made = plain(self, wanted)
        most.append(len(made))
        return made

    monkeypatch.setattr(WeightedRows, "__getitem__", counted)
    fast = FastIndex.load(tmp_path, rows, "ip", lambda count: "these")
    assert fast is not None and len(fast) == 1200
    found = fast.search(rows[np.arange(5)], 3)
    assert 5 <= max(most) < 300
    np.testing.assert_allclose(found.scores[:, 0], (rows[np.arange(5)] * rows[found.numbers[:, 0]]).sum(1), atol=1e-4)


def test_rows_behind_those_that_a_fast_index_covers_do_not_answer(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((1200, 16), np.float32)
    FastIndex.build(vectors[:1000], "ip", "these").save(tmp_path)
    part = FastIndex.load(tmp_path, vectors, "ip", lambda count: "these" if count == 1000 else None)
    assert part is not None and len(part) == 1000
    assert part.search(vectors[1190:], 1000).numbers.max() == 999
    assert len(part.extended(vectors, "all")) == 1200


def test_queries_that_are_nearly_of_that_form_are_no_exception() -> None:
    rng = np.random.default_rng(2)
    rows = WeightedRows(*(part.numpy() for part in drawn(rng, 300)))
    image, text, weight = (part[1:5] for part in drawn(rng, 5))
    queries = weighted(unit(image), unit(text), weight, "query").numpy()
    assert rows.taken_apart(queries) is not None
    queries[0, 0] += 3e-6
    assert rows.taken_apart(queries) is None
