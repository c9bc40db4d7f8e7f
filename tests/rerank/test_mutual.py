import numpy as np
import pytest
import torch

from vprkit.errors import VprError
from vprkit.features import Features, LocalFeatures
from vprkit.rerank.mutual import best_cells, count_matches, lowest_argmax
from vprkit.rerank.mutual_matches import MutualMatches, near_ties
from vprkit.rerank.reranker import Shortlist, rerank, scores_of


def by_loops(query, candidate):
    """The definition, cell by cell."""
    similar = candidate.double() @ query.double().T
    rows, columns = similar.tolist(), similar.T.tolist()
    to_query = [row.index(max(row)) for row in rows]
    to_candidate = [column.index(max(column)) for column in columns]
    return sum(to_query[to_candidate[j]] == j for j in range(len(columns)))


@pytest.mark.parametrize("tile", [1, 2, 5, 64])
def test_counts_are_those_of_the_definition_with_many_ties(tile):
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        cells, others = (int(torch.randint(1, 20, (1,), generator=generator)) for _ in range(2))
        query = torch.randint(-1, 2, (cells, 3), generator=generator).float()
        candidates = torch.randint(-1, 2, (4, others, 3), generator=generator).float()
        expected = [by_loops(query, candidate) for candidate in candidates]
        assert count_matches(query, candidates, tile).tolist() == expected
        assert best_cells(query, candidates).mutual.sum(1).tolist() == expected


def test_real_numbers_and_bfloat16():
    generator = torch.Generator().manual_seed(1)
    query, candidates = torch.randn(300, 16, generator=generator), torch.randn(3, 280, 16, generator=generator)
    exact = count_matches(query, candidates)
    assert exact.tolist() == [by_loops(query, candidate) for candidate in candidates]
    rough = count_matches(query.bfloat16(), candidates.bfloat16())
    assert ((rough - exact).abs() < 0.2 * exact).all()


def test_the_lowest_of_equal_ones_on_any_device():
    values = torch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    assert lowest_argmax(values, 1).tolist() == [1, 0] and lowest_argmax(values, 0).tolist() == [1, 0, 0]
    assert torch.equal(values.argmax(1), lowest_argmax(values, 1))  # what accelerators are asked for
    values[0] = float("nan")
    for dim in (0, 1):  # an index outside would end a process on a GPU
        assert torch.equal(lowest_argmax(values, dim), values.argmax(dim)) and lowest_argmax(values, dim).max() < 3


def test_shapes_are_checked():
    with pytest.raises(VprError, match=r"candidate cells \(N, Lc, C\), got"):
        count_matches(torch.zeros(3, 4), torch.zeros(2, 3, 5))
    with pytest.raises(VprError, match="at least one cell"):
        count_matches(torch.zeros(0, 4), torch.zeros(2, 3, 4))
    with pytest.raises(VprError, match="at least one row"):
        count_matches(torch.zeros(3, 4), torch.zeros(2, 3, 4), tile=0)


NONE = Shortlist(np.zeros(0, np.int64), lambda numbers: Features(torch.zeros(0, 1)), 1)


def local(tokens, counts=None):
    counts = torch.tensor(counts or [tokens.shape[1]] * len(tokens))
    return Features(torch.zeros(len(tokens), 1), LocalFeatures(tokens, counts))


def test_padding_does_not_match():
    generator = torch.Generator().manual_seed(2)
    tokens = torch.randn(3, 6, 4, generator=generator)
    query = local(torch.randn(1, 7, 4, generator=generator))
    scorer = MutualMatches().begin(query, NONE)
    ragged = scorer.score(local(tokens, [6, 3, 5]))
    alone = [scorer.score(local(tokens[row : row + 1, :count])).item() for row, count in enumerate([6, 3, 5])]
    assert ragged.tolist() == alone


def test_one_match_counts_as_none_unless_asked():
    query = local(torch.ones(1, 3, 2))
    assert MutualMatches().begin(query, NONE).score(local(torch.ones(1, 3, 2))).tolist() == [0]
    assert MutualMatches(single_is_none=False).begin(query, NONE).score(local(torch.ones(1, 3, 2))).tolist() == [1]


class Fixed:
    """Scores candidates by their global number."""

    def begin(self, query, shortlist):
        return self

    def score(self, candidates):
        return candidates.global_[:, 0]


@pytest.mark.parametrize("row_bytes", [1, 2**25, 2**30])
def test_equal_scores_keep_their_order_and_the_rest_follows(row_bytes):
    given = {7: 1.0, 3: 2.0, 9: 2.0, 4: 1.0, 5: 9.0}

    def candidates(numbers):
        return Features(torch.tensor([[given[int(number)]] for number in numbers]))

    found = rerank(Fixed(), candidates([7]), np.array([7, 3, 9, 4, 5]), 4, candidates, row_bytes)
    assert found.numbers.tolist() == [3, 9, 7, 4, 5]
    assert found.scores.tolist() == [2.0, 2.0, 1.0, 1.0, float("-inf")]


def test_near_ties_are_neighbours_in_the_order():
    assert near_ties(np.array([100, 50, 98, 10, 10]), 0.05).tolist() == [0, 2, 3, 4]
    assert near_ties(np.array([100, 50, 98]), 0.0).tolist() == []
    assert near_ties(np.array([7]), 0.5).tolist() == []
    assert near_ties(np.array([0, 0]), 0.0).tolist() == [0, 1]


@pytest.mark.parametrize("row_bytes", [1, 2**26])
def test_half_precision_with_near_ties_counted_again_keeps_the_exact_order(row_bytes):
    generator = torch.Generator().manual_seed(3)
    cells = torch.nn.functional.normalize(torch.randn(400, 16, generator=generator), dim=-1)
    noise = torch.linspace(0.1, 0.3, 24)[torch.randperm(24, generator=generator)][:, None, None]
    others = torch.nn.functional.normalize(cells + noise * torch.randn(24, 400, 16, generator=generator), dim=-1)
    shortlist = Shortlist(np.arange(24), lambda numbers: local(others[torch.from_numpy(numbers)]), row_bytes)
    exact, half, checked = (
        scores_of(MutualMatches(products=products, doubt=0.2), local(cells[None]), shortlist)
        for products in ("exact", "half", "checked")
    )
    order = torch.argsort(-exact, stable=True)
    assert not torch.equal(half, exact), "half precision counts as exactly: this test shows nothing"
    assert torch.equal(torch.argsort(-checked, stable=True), order)
    assert ((checked == exact) | (checked == half)).all() and (checked == exact).sum() > (half == exact).sum()
