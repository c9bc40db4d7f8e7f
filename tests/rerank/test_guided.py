import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vprkit.errors import VprError
from vprkit.features import Features, LocalFeatures
from vprkit.rerank.guided import SHARES, shares
from vprkit.rerank.guided_full import Full
from vprkit.rerank.guided_matches import GuidedMatches
from vprkit.rerank.mutual import best_cells
from vprkit.rerank.reranker import Shortlist, rerank, rerank_many, scores_of

MASKS = sorted(SHARES)


def by_loops(settings, query, query_saliency, candidates, saliency):
    """The definition (RerankVPR specification 8.2), patch by patch, on integers: no rounding."""
    salient = (saliency > settings.saliency).tolist()
    anywhere = [any(row[j] for row in salient) for j in range(candidates.shape[1])]
    nearest, counts = [], []
    for candidate in candidates:
        similar = (query @ candidate.T).tolist()
        columns = list(zip(*similar, strict=True))
        nearest.append([column.index(max(column)) for column in columns])
    for m, candidate in enumerate(candidates):
        similar, back, count = (query @ candidate.T).tolist(), nearest[m], 0
        near = {
            "official": {nearest[0][j] for j, yes in enumerate(anywhere) if yes},
            "per_candidate": {back[j] for j, yes in enumerate(salient[m]) if yes},
        }
        for i, row in enumerate(similar):
            j = row.index(max(row))
            right = salient[m][j] if settings.mask == "strict" else i in near[settings.mask]
            count += right and back[j] == i and max(row) > settings.similarity and query_saliency[i] > settings.saliency
        counts.append(int(count))
    return counts


def features(tokens, saliency, counts=None):
    counts = torch.full((len(tokens),), tokens.shape[1]) if counts is None else counts
    return Features(torch.zeros(len(tokens), 1), LocalFeatures(tokens, counts, saliency=saliency))


def shortlist_of(candidates, row_bytes=1):
    return Shortlist(np.arange(len(candidates)), lambda n: candidates[torch.from_numpy(n)], row_bytes)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("row_bytes", [1, 2**25])
def test_pruned_counts_are_those_of_the_definition_with_many_ties(mask, row_bytes):
    generator = torch.Generator().manual_seed(4)
    for _ in range(40):
        query = torch.randint(-1, 2, (9, 4), generator=generator).float()
        candidates = torch.randint(-1, 2, (5, 7, 4), generator=generator).float()
        one, other = torch.rand(1, 9, generator=generator), torch.rand(5, 7, generator=generator)
        settings = GuidedMatches(0.3, 0.5, mask)
        expected = by_loops(settings, query, one[0], candidates, other)
        shortlist = shortlist_of(features(candidates, other), row_bytes)
        assert scores_of(settings, features(query[None], one), shortlist).tolist() == expected
        full = Full(settings, features(query[None], one).local, shortlist)
        assert torch.cat([full.score(block) for block in shortlist.blocks()]).tolist() == expected


@pytest.mark.parametrize("mask", MASKS)
def test_shares_say_the_counts_of_every_threshold(mask):
    generator = torch.Generator().manual_seed(5)
    query = F.normalize(torch.randn(40, 8, generator=generator), dim=-1)
    candidates = F.normalize(query + 0.4 * torch.randn(6, 40, 8, generator=generator), dim=-1)
    one, other = torch.rand(1, 40, generator=generator), torch.rand(6, 40, generator=generator)
    cells = best_cells(query, candidates)
    share = shares(cells, one[0], other, mask)
    for saliency in (0.0, 0.2, 0.5, 0.9):
        for similarity in (0.0, 0.6, 0.8):
            settings = GuidedMatches(saliency, similarity, mask)
            counted = scores_of(settings, features(query[None], one), shortlist_of(features(candidates, other)))
            wanted = ((share > np.float32(saliency)) & (cells.similarity > np.float32(similarity))).sum(1)
            assert torch.equal(counted, wanted)


def test_maps_of_different_lengths():
    generator = torch.Generator().manual_seed(6)
    tokens, saliency = torch.randn(3, 12, 4, generator=generator), torch.rand(3, 12, generator=generator)
    query = features(torch.randn(1, 9, 4, generator=generator), torch.rand(1, 9, generator=generator))
    counts = torch.tensor([12, 5, 8])
    ragged = shortlist_of(features(tokens, saliency, counts), 2**25)
    for mask in ("strict", "per_candidate"):
        settings = GuidedMatches(0.2, 0.1, mask)
        alone = [
            scores_of(settings, query, shortlist_of(features(tokens[r : r + 1, :n], saliency[r : r + 1, :n]))).item()
            for r, n in enumerate(counts.tolist())
        ]
        assert scores_of(settings, query, ragged).tolist() == alone
        full = Full(settings, query.local, ragged)
        assert torch.cat([full.score(block) for block in ragged.blocks()]).tolist() == alone
    with pytest.raises(VprError, match="maps of one size"):
        scores_of(GuidedMatches(mask="official"), query, ragged)
    with pytest.raises(VprError, match="maps of one size"):
        Full(GuidedMatches(mask="official"), query.local, ragged)


def test_matches_are_those_that_are_counted():
    generator = torch.Generator().manual_seed(7)
    tokens = F.normalize(torch.randn(20, 6, generator=generator), dim=-1)
    other = F.normalize(tokens + 0.3 * torch.randn(1, 20, 6, generator=generator), dim=-1)
    one, two = features(tokens[None], torch.rand(1, 20)), features(other, torch.rand(1, 20))
    for mask in MASKS:
        settings = GuidedMatches(0.3, 0.5, mask)
        pairs = settings.matches(one, two)
        assert len(pairs) == scores_of(settings, one, shortlist_of(two)).item() > 0
        similar = tokens @ other[0].T
        assert all(similar[i].argmax() == j and similar[:, j].argmax() == i for i, j in pairs.tolist())


def test_saliency_is_needed():
    query = features(torch.ones(1, 3, 2), torch.ones(1, 3))
    bare = Features(query.global_, dataclasses.replace(query.local, saliency=None))
    with pytest.raises(VprError, match="have none"):
        scores_of(GuidedMatches(), query, shortlist_of(bare))


def test_equal_scores_in_reversed_order_where_asked():
    class Equal:
        def begin(self, query, shortlist):
            return self

        def score(self, candidates):
            return torch.zeros(len(candidates))

    given = features(torch.ones(1, 1, 1), torch.ones(1, 1))
    found = rerank(Equal(), given, np.array([4, 7, 1, 9]), 3, lambda n: given[[0] * len(n)], 1, "reversed")
    assert found.numbers.tolist() == [1, 7, 4, 9]


def test_several_queries_per_call():
    generator = torch.Generator().manual_seed(8)
    tokens = F.normalize(torch.randn(3, 15, 6, generator=generator), dim=-1)
    others = F.normalize(tokens.repeat(2, 1, 1) + 0.3 * torch.randn(6, 15, 6, generator=generator), dim=-1)
    queries, database = features(tokens, torch.rand(3, 15)), features(others, torch.rand(6, 15))
    rankings = np.array([[5, 1, 0, 3], [2, 4, -1, -1], [0, 5, 2, -1]])

    def candidates(numbers):
        return database[torch.from_numpy(numbers)]

    found = rerank_many(GuidedMatches(0.1, 0.2), queries, rankings, 3, candidates, 1)
    for place, row in enumerate(rankings):
        alone = rerank(GuidedMatches(0.1, 0.2), queries[[place]], row[row >= 0], 3, candidates, 2**26)
        assert found[place].numbers.tolist() == alone.numbers.tolist()
        assert found[place].scores.tolist() == alone.scores.tolist()
