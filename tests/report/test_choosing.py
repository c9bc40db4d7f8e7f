import numpy as np
import pytest

from vprkit.errors import ConfigError
from vprkit.report.choosing import CHOOSERS, clusters, spread
from vprkit.report.matches import Pair


def groups(each: int = 6, count: int = 4, seed: int = 0) -> Pair:
    """Matches in `count` far-off groups of descriptors, with random saliency; x of the first tells the group."""
    generator = np.random.default_rng(seed)
    middles = np.repeat(np.eye(count), each, 0)
    descriptors = np.stack([middles, middles], 1) + generator.normal(0, 0.02, (count * each, 2, count))
    order = generator.permutation(count * each)
    first = np.stack([np.repeat(np.arange(count), each), np.arange(count * each)], 1)
    return Pair(first[order], first[order], (56, 56), descriptors[order], generator.random(count * each))


def test_the_most_salient_of_each_cluster():
    pair = groups()
    chosen = clusters(pair, 4)
    assert sorted(chosen.first[:, 0]) == [0, 1, 2, 3]
    for group, worth in zip(chosen.first[:, 0], chosen.saliency, strict=True):
        assert worth == pair.saliency[pair.first[:, 0] == group].max()
    assert np.array_equal(clusters(pair, 4).first, chosen.first)


def test_without_saliency_the_best_agreement_stands_for_a_cluster():
    pair = groups()._replace(saliency=None)
    chosen = clusters(pair, 4)
    one, other = pair.descriptors[:, 0], pair.descriptors[:, 1]
    cosines = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    for match in chosen.first:
        mine = pair.first[:, 0] == match[0]
        assert cosines[mine].max() == cosines[(pair.first == match).all(1)][0]


def test_few_none_and_alike():
    pair = groups(each=1, count=3)
    assert len(clusters(pair, 10).first) == 3
    nothing = pair.take(np.zeros(0, int))
    assert all(len(choose(nothing, 5).first) == 0 for choose in CHOOSERS.values())
    alike = pair._replace(descriptors=np.ones((3, 2, 4)))
    assert len(clusters(alike, 3).first) == 1
    with pytest.raises(ConfigError, match="choose spread"):
        clusters(pair._replace(descriptors=None), 2)


def test_spread_goes_from_the_first_to_the_last():
    pair = groups()
    chosen = spread(pair, 3)
    assert np.array_equal(chosen.first, pair.first[[0, 11, 23]]) and len(chosen.descriptors) == 3
    assert len(spread(pair, 100).first) == 24
