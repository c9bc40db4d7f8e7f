"""Pair-VPR's second stage: exact whatever is cached or cut into blocks, and what its shortcuts change."""

import json

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

import vprkit
from tests.cli.test_cli import vpr
from tests.methods.test_pairvpr import TINY
from vprkit.errors import ConfigError, NotAvailable, VprError
from vprkit.evaluation.two_stage import Second
from vprkit.features import Features, LocalFeatures
from vprkit.methods.pairvpr import scorer as scoring
from vprkit.methods.pairvpr.classifier import PairClassifier
from vprkit.methods.pairvpr.scorer import PairScorer
from vprkit.rerank.reranker import Shortlist, rerank, scores_of
from vprkit.retrieval.map import Map
from vprkit.retrieval.pca import PCA, with_pca

COUNT = 9


@pytest.fixture(scope="module")
def method():
    """With weights that make logits differ: at initial values all pairs look alike."""
    made = vprkit.load_method("pairvpr", "random:1", device="cpu", resize=56, **TINY)
    generator = torch.Generator().manual_seed(0)
    for name, parameter in made.network.named_parameters():
        if name.startswith(("dec_blocks", "classvprmodule", "decoder_")):
            parameter.data = parameter.data + 0.2 * torch.randn(parameter.shape, generator=generator)
    return made


@pytest.fixture(scope="module")
def dense(method):
    """(1 + COUNT, N, D) dense features of a query and its candidates."""
    images = torch.randn(1 + COUNT, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return method.network.encode(images)[0]


@pytest.fixture(scope="module")
def expected(method, dense):
    """(COUNT, 2) logits s(query, candidate) and s(candidate, query), pair by pair."""
    with torch.inference_mode():
        return torch.stack([
            torch.cat([method.network.pair_logit(dense[:1], one), method.network.pair_logit(one, dense[:1])])[:, 0]
            for one in dense[1:, None]
        ])  # fmt: skip


def features(method, dense, grid=(4, 4)):
    with torch.inference_mode():
        tokens = method.network.decoder_embed(dense)
    counts = torch.full((len(tokens),), tokens.shape[1])
    return Features(torch.empty(len(tokens), 0), LocalFeatures(tokens, counts, grid))


def looked_at(method, dense, settings, row_bytes=1, numbers=None):
    """Scores of the shortlist, in its order, and which candidates were read."""
    query, others = features(method, dense[:1]), features(method, dense[1:])
    read: list[int] = []

    def take(wanted):
        read.extend(wanted.tolist())
        return others[torch.from_numpy(wanted)]

    numbers = np.arange(COUNT) if numbers is None else numbers
    second = settings.of(method) if isinstance(settings, PairClassifier) else settings
    return scores_of(second, query, Shortlist(numbers, take, row_bytes)), read


@pytest.mark.parametrize("block", [1, 2**12, 2**14, 2**24])
@pytest.mark.parametrize("hot", [0.0, 1.0])
def test_the_sum_of_both_directions_whatever_the_blocks(method, dense, expected, monkeypatch, block, hot):
    monkeypatch.setattr(scoring, "BLOCK_NUMBERS", block)
    for row_bytes in (1, 2**25):
        scores, _ = looked_at(method, dense, PairClassifier(hot_gigabytes=hot), row_bytes)
        torch.testing.assert_close(scores, expected.sum(1), atol=1e-5, rtol=1e-5)
    assert expected.sum(1).std() > 0.05 and not torch.allclose(expected[:, 0], expected[:, 1], atol=1e-2)


def test_half_precision_orders_alike(method, dense, expected):
    scores, _ = looked_at(method, dense, PairClassifier(products="half"))
    assert scores.dtype == torch.float32 and not torch.equal(scores, expected.sum(1))
    assert kendalltau(scores, expected.sum(1)).statistic > 0.8 and scores.argmax() == expected.sum(1).argmax()
    assert (scores - expected.sum(1)).abs().max() < 0.1 * (expected.sum(1).max() - expected.sum(1).min())
    kinds = {parameter.dtype for parameter in method.network.parameters()}
    assert kinds == {torch.float32}  # the method's own decoder stays exact


def test_the_encoder_is_neither_copied_nor_run(method, dense, monkeypatch):
    half = PairClassifier(products="half").of(method)
    assert half.scorer.network.encoder is method.network.encoder
    monkeypatch.setattr(type(method.network.encoder), "features", lambda *_: pytest.fail("the encoder ran"))
    looked_at(method, dense, half)


def test_hot_candidates_are_prepared_once_and_bounded(method, dense, expected, monkeypatch):
    prepared = []
    whole = PairScorer.prepare
    monkeypatch.setattr(PairScorer, "prepare", lambda self, local: prepared.append(len(local)) or whole(self, local))
    second = PairClassifier(hot_gigabytes=1).of(method)
    numbers = np.array([3, 0, 7, 5])
    first, _ = looked_at(method, dense, second, numbers=numbers)
    assert sum(prepared) == 1 + 4
    again, _ = looked_at(method, dense, second, numbers=np.array([7, 8, 3, 1]))
    assert sum(prepared) == 5 + 1 + 2 and len(second.hot) == 6
    for numbers, scores in (([3, 0, 7, 5], first), ([7, 8, 3, 1], again)):
        torch.testing.assert_close(scores, expected.sum(1)[numbers], atol=1e-5, rtol=1e-5)
    one = second.hot.used // 6
    small = PairClassifier(hot_gigabytes=2.5 * one / 1e9).of(method)
    looked_at(method, dense, small)
    assert len(small.hot) == 2 and small.hot.used == 2 * one


def test_one_direction_first_and_both_for_the_best(method, dense, expected):
    scores, read = looked_at(method, dense, PairClassifier(first_pass=3))
    backward = expected[:, 1]
    best, others = backward.argsort(descending=True)[:3], backward.argsort(descending=True)[3:]
    torch.testing.assert_close(scores[best], expected.sum(1)[best], atol=1e-5, rtol=1e-5)
    assert scores[best].min() == pytest.approx(float(scores[others].max()) + 1, abs=1e-5)
    assert torch.equal(scores[others].argsort(descending=True), torch.arange(COUNT - 3))
    assert sorted(read) == sorted([*range(COUNT), *best.tolist()])
    all_of_them, _ = looked_at(method, dense, PairClassifier(first_pass=100))
    torch.testing.assert_close(all_of_them, expected.sum(1), atol=1e-5, rtol=1e-5)


def test_enough_ends_the_search(method, dense, expected, monkeypatch):
    monkeypatch.setattr(scoring, "BLOCK_NUMBERS", 1)
    best = int(expected.sum(1).argmax())
    scores, read = looked_at(method, dense, PairClassifier(enough=float(expected.sum(1).max()) - 1e-4), 2**26)
    assert read == list(range(best + 1)) and best < COUNT - 1
    assert torch.isneginf(scores[best + 1 :]).all()
    torch.testing.assert_close(scores[: best + 1], expected.sum(1)[: best + 1], atol=1e-5, rtol=1e-5)
    monkeypatch.undo()
    together, _ = looked_at(method, dense, PairClassifier(enough=float(expected.sum(1).max()) - 1e-4))
    assert int(torch.isfinite(together).sum()) == min(COUNT, 4 * (best // 4 + 1))
    whole, _ = looked_at(method, dense, PairClassifier(enough=1e9))
    torch.testing.assert_close(whole, expected.sum(1), atol=1e-5, rtol=1e-5)


def test_images_of_other_sizes(method, dense):
    """A query of another grid than its candidates has its own positions; candidates of several sizes are refused."""
    query = features(method, dense[:1, :12], (3, 4))
    scorer = PairScorer(method.network, method.device)
    others = features(method, dense[1:3])
    score = scorer.score(scorer.prepare(query.local), scorer.prepare(others.local))
    tokens, other = query.local.tokens, others.local.tokens
    with torch.inference_mode():
        net = method.network
        one = net.judge(net.start(tokens, (3, 4)), net.memory(other, (4, 4)))
        two = net.judge(net.start(other, (4, 4)), net.memory(tokens, (3, 4)))
    torch.testing.assert_close(score, (one + two)[:, 0])
    mixed = Features.cat([query, others])
    with pytest.raises(VprError, match="Pair-VPR compares images of one size"):
        scorer.prepare(mixed.local)


def test_ties_keep_the_first_stages_order(method, dense):
    others = features(method, dense[1:2].expand(4, -1, -1))
    second, query = PairClassifier().of(method), features(method, dense[:1])
    found = rerank(second, query, np.array([3, 1, 2, 0]), 4, lambda numbers: others[torch.from_numpy(numbers)], 1)
    assert found.numbers.tolist() == [3, 1, 2, 0] and len(set(found.scores)) == 1


def test_settings_that_make_no_sense(method):
    with pytest.raises(ConfigError, match="hot_gigabytes must be at least 0"):
        PairClassifier(hot_gigabytes=-1)
    with pytest.raises(ConfigError, match="first_pass must be at least 1"):
        PairClassifier(first_pass=0)
    with pytest.raises(ConfigError, match="choose one of them"):
        PairClassifier(first_pass=3, enough=1.0)
    with pytest.raises(NotAvailable, match="'hog' has no Pair-VPR decoder"):
        PairClassifier().of(vprkit.load_method("hog", device="cpu"))


def test_every_source_of_local_features_gives_the_same(method, shared_set, tmp_path):
    benchmark = vprkit.open_benchmark(shared_set)
    results = {
        source: vprkit.evaluate(method, benchmark, rerank=Second(5, source), features=tmp_path / source)
        for source in ("store", "ram", "recompute")
    }
    orders = [[row.ranking for row in result.rankings] for result in results.values()]
    assert orders[0] == orders[1] == orders[2]
    assert results["store"].second_stage["reranker"] == "PairClassifier"
    assert results["store"].storage == {"descriptor": 16 * 4 / 1000, "local": 16 * 32 * 2 / 1000}
    assert (
        results["recompute"].storage["local"] == 0
        and "kB per image: descriptor 0.1, local 1.0" in results["store"].table()
    )
    assert vprkit.evaluate(method, benchmark).storage == {"descriptor": 0.064}
    vprkit.write_submission(results["store"], tmp_path / "challenge.txt")
    assert vprkit.read_submission(tmp_path / "challenge.txt", benchmark).tolist() == orders[0]


@pytest.mark.parametrize("local", [None, "float32"])
def test_a_map_is_asked_with_the_second_stage(method, shared_set, tmp_path, local):
    opened = Map.build(shared_set / "database", method, tmp_path / "map", local=local)
    photo = next((shared_set / "queries").iterdir())
    hits = opened.locate(photo, top=4, rerank=4)
    second, query = PairClassifier().of(method), method.describe(photo)
    others = method.describe([shared_set / "database" / hit.name for hit in hits])
    scores = second.scorer.score(second.scorer.prepare(query.local), second.scorer.prepare(others.local))
    np.testing.assert_allclose([hit.score for hit in hits], scores, atol=1e-5)
    assert list(scores) == sorted(scores, reverse=True)
    made = opened._second_look.reranker
    opened.locate(photo, top=2, rerank=3)
    assert opened._second_look.reranker is made  # what it made ready, and its hot set, live as long as the map


def test_projected_vectors_leave_the_decoder_in_reach(method, dense, expected):
    pca = PCA.fit(np.random.default_rng(0).normal(size=(20, 16)), 4)
    second = PairClassifier().of(with_pca(method, pca))
    scores, _ = looked_at(method, dense, second)
    torch.testing.assert_close(scores, expected.sum(1), atol=1e-5, rtol=1e-5)


def test_the_command_line_takes_as_many_candidates_as_published(shared_set):
    small = ["depth=1", "table_size=28", "decoder_width=8", "decoder_depth=1", "decoder_heads=2", "image_size=28"]
    common = ["evaluate", "pairvpr-vitb", shared_set, "-w", "random:1", "--resize", "28", "--device", "cpu", "--json",
              *(part for setting in small for part in ("--set", setting))]  # fmt: skip
    result = json.loads(vpr(*common, "--rerank", "published", "--rerank-set", "first_pass=3").stdout)
    assert result["reranked"] == 8 and result["second_stage"]["first_pass"] == 3  # of 100, all there are
    wrong = vpr(*common, "--rerank", "many")
    assert wrong.returncode == 1 and "--rerank takes a number of candidates or 'published', not 'many'" in wrong.stderr
    unknown = vpr("evaluate", "hog", shared_set, "--rerank", "published")
    assert unknown.returncode == 1 and "how many candidates 'hog' looks at again is not published" in unknown.stderr
