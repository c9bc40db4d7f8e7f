"""Two-stage evaluation with a small SelaVPR of random weights."""

import time

import numpy as np
import pytest
import torch

import vprkit
from vprkit import device as devices
from vprkit.cli import options as shared
from vprkit.cli.forecasts import forecast_local
from vprkit.errors import ConfigError, NotAvailable, StoreError
from vprkit.evaluation.two_stage import Second, forecast
from vprkit.features import LocalFeatures
from vprkit.rerank.mutual import count_matches
from vprkit.rerank.mutual_matches import MutualMatches
from vprkit.retrieval import local_store
from vprkit.retrieval.describe import Streaming
from vprkit.retrieval.local_codec import LocalCodec


@pytest.fixture(scope="module")
def selavpr():
    return vprkit.load_method("selavpr", "random:3", size="S", depth=1, table_size=56, local_mid_channels=16,
                              local_channels=8, resize=56, device="cpu")  # fmt: skip


@pytest.fixture(scope="module")
def benchmark(shared_set):
    return vprkit.open_benchmark(shared_set)


def order(result):
    return [row.ranking for row in result.rankings]


def test_shortlists_are_ordered_by_matches(selavpr, benchmark):
    result = vprkit.evaluate(selavpr, benchmark, rerank=Second(4, dtype="float32"), ks=(1, 5))
    plain = vprkit.evaluate(selavpr, benchmark, ks=(1, 5))
    assert result.first_stage == plain.recalls and result.reranked == 4
    queries = selavpr.describe([record.path for record in benchmark.queries])
    database = selavpr.describe([record.path for record in benchmark.database])
    for number, (before, after) in enumerate(zip(plain.rankings, result.rankings, strict=True)):
        shortlist = before.ranking[:4]
        counts = count_matches(queries.local.tokens[number], database.local.tokens[torch.tensor(shortlist)])
        expected = np.where(counts >= 2, counts, 0)
        stable = np.argsort(-expected, kind="stable")
        assert after.ranking == [shortlist[place] for place in stable] + before.ranking[4:]
        assert after.scores[:4] == expected[stable].tolist()
    assert "before re-ranking" in result.table() and "rerank" in result.timings


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_every_source_gives_the_same(selavpr, benchmark, tmp_path, dtype):
    results = [
        vprkit.evaluate(selavpr, benchmark, rerank=Second(5, source, dtype), features=tmp_path / source)
        for source in ("store", "ram", "recompute")
    ]
    assert order(results[0]) == order(results[1]) == order(results[2])
    again = vprkit.evaluate(selavpr, benchmark, rerank=Second(5, "store", dtype), features=tmp_path / "store")
    assert order(again) == order(results[0]) and "describe" not in again.timings


def test_timings_tell_reading_from_matching_and_add_up(selavpr, benchmark, tmp_path):
    timings = vprkit.evaluate(selavpr, benchmark, rerank=Second(5, "recompute", cache_gigabytes=0)).timings
    queries = len(benchmark.queries)
    assert timings["rerank"]["items"] == timings["rerank_match"]["items"] == timings["total"]["items"] == queries
    parts = timings["rerank_read"]["seconds"] + timings["rerank_match"]["seconds"]
    assert parts == pytest.approx(timings["rerank"]["seconds"])
    again = timings["rerank_decode"]["seconds"] + timings["rerank_describe"]["seconds"]
    assert timings["rerank_describe"]["items"] >= 6 * queries and again > 0
    stages = [timings[stage] for stage in ("decode", "describe", "search", "rerank")]
    assert timings["total"]["median_ms"] == pytest.approx(sum(row["median_ms"] for row in stages))
    stored = vprkit.evaluate(selavpr, benchmark, rerank=5, features=tmp_path).timings
    assert "rerank_describe" not in stored and "rerank_read" in stored
    kept = vprkit.evaluate(selavpr, benchmark, rerank=5, features=tmp_path).timings
    assert "rerank" in kept and "total" not in kept  # nothing was described: the whole is not known


def test_what_is_described_again_is_kept_for_a_while(selavpr, benchmark):
    everything, one = len(benchmark.database), 37 * 37 * 8 * 4 / 1e9
    plain = vprkit.evaluate(selavpr, benchmark, rerank=Second(5, "recompute", "float32", cache_gigabytes=0))
    for room, most in ((1.0, everything + len(benchmark.queries)), (2.5 * one, None)):
        result = vprkit.evaluate(selavpr, benchmark, rerank=Second(5, "recompute", "float32", cache_gigabytes=room))
        assert order(result) == order(plain)
        described = result.timings["rerank_describe"]["items"]
        assert described <= (most or plain.timings["rerank_describe"]["items"] - 1)
    with pytest.raises(ConfigError, match="cache_gigabytes must be at least 0"):
        Second(5, "recompute", cache_gigabytes=-1)


def test_clocks_wait_for_the_device(selavpr, benchmark, monkeypatch):
    """A device that needs 20 ms to finish: every stage that uses it takes at least as long."""
    monkeypatch.setattr(devices, "synchronize", lambda device: time.sleep(0.02))
    timings = vprkit.evaluate(selavpr, benchmark, rerank=2, streaming=Streaming(batch_size=4)).timings
    assert timings["describe"]["median_ms"] >= 20 / 4
    assert timings["rerank_read"]["median_ms"] >= 2 * 20  # the query's and the candidates' features
    assert timings["rerank"]["median_ms"] >= timings["rerank_read"]["median_ms"]


def test_results_are_saved_with_both_stages(selavpr, benchmark, tmp_path):
    result = vprkit.evaluate(selavpr, benchmark, rerank=3)
    result.save(tmp_path / "two.json")
    loaded = vprkit.Result.load(tmp_path / "two.json")
    assert loaded.first_stage == result.first_stage and loaded.reranked == 3
    assert vprkit.evaluate(selavpr, benchmark, rerank=10_000).reranked == len(benchmark.database)


def test_what_cannot_be_is_said_before_describing(hog, benchmark, selavpr):
    with pytest.raises(NotAvailable, match="'hog' has no second stage"):
        vprkit.evaluate(hog, benchmark, rerank=5)
    with pytest.raises(ConfigError, match="at least 1 candidate"):
        vprkit.evaluate(selavpr, benchmark, rerank=0)
    with pytest.raises(ConfigError, match="'float8' are unknown"):
        Second(5, dtype="float8")
    with pytest.raises(ConfigError, match="store, ram or recompute"):
        Second(5, source="disk")


@pytest.mark.parametrize(("dtype", "error"), [("float32", 0), ("float16", 5e-4), ("int8", 1 / 254)])
def test_codecs(dtype, error):
    generator = torch.Generator().manual_seed(0)
    tokens = torch.nn.functional.normalize(torch.randn(2, 5, 8, generator=generator), dim=-1)
    tokens[1, 3:] = 0
    codec = LocalCodec(dtype)
    saliency = torch.rand(2, 5, generator=generator)
    saliency[0, 2] = torch.nan
    for given in (None, saliency):
        encoded = codec.encode(LocalFeatures(tokens, torch.tensor([5, 3]), None, saliency=given))
        assert [len(row.tokens) for row in encoded] == [5, 3]
        assert encoded[0].nbytes == len(encoded[0].tobytes()) == codec.bytes_of(5, 8, given is not None)
        back = codec.decode(encoded)
        assert (back.saliency is None) == (given is None)
    assert torch.equal(back.saliency[0].nan_to_num(9), saliency[0].nan_to_num(9))  # every bit
    assert torch.equal(back.saliency[1, :3], saliency[1, :3])
    assert (back.tokens - tokens).abs().max() <= error and back.counts.tolist() == [5, 3]
    assert torch.equal(codec.decode(codec.encode(back)).tokens, back.tokens)  # a second pass changes nothing


def test_the_store_closes_shards_survives_moves_and_refuses_other_types(selavpr, photo_set, tmp_path, monkeypatch):
    from vprkit.data.benchmark import open_records
    from vprkit.retrieval.build import describe_into

    monkeypatch.setattr(local_store, "SHARD_BYTES", 5_000)
    records = open_records(photo_set / "database")
    built = describe_into(tmp_path / "store", selavpr, records, block=3, local=LocalCodec("int8"))
    assert len(list((tmp_path / "store").glob("local.0*.bin"))) > 1
    assert built.store.verify() == []
    described = selavpr.describe([record.path for record in records]).local
    wanted = LocalCodec("int8").decode(LocalCodec("int8").encode(described))
    assert torch.equal(built.store.local.take(built.rows).tokens, wanted.tokens)
    assert built.store.local.take(built.rows).grid == wanted.grid
    (photo_set / "database").rename(tmp_path / "moved")
    moved = describe_into(tmp_path / "store", selavpr, open_records(tmp_path / "moved"), local=LocalCodec("int8"))
    assert moved.described == 0 and moved.copied == len(records)
    assert torch.equal(moved.store.local.take(moved.rows).tokens, wanted.tokens)
    with pytest.raises(StoreError, match="keeps local features as int8, asked for is float16"):
        describe_into(tmp_path / "store", selavpr, open_records(tmp_path / "moved"), local=LocalCodec("float16"))


def test_a_map_reranks_what_it_answers(selavpr, benchmark, shared_set, tmp_path):
    """The order of the evaluation, from kept local features or described again."""
    result = vprkit.evaluate(selavpr, benchmark, rerank=Second(4, dtype="float32"))
    photos = [record.path for record in benchmark.queries][:5]
    kept = vprkit.Map.build(shared_set / "database", selavpr, tmp_path / "kept.map", local="float32")
    bare = vprkit.Map.build(shared_set / "database", selavpr, tmp_path / "bare.map")
    assert kept.info()["local"] == "float32" and bare.info()["local"] is None
    for photo, row in zip(photos, result.rankings, strict=False):
        wanted = [result.images[number].name.rpartition("/")[2] for number in row.ranking[:4]]
        for city in (kept, bare):
            hits = city.locate(photo, top=4, rerank=4).hits
            assert [hit.path.name for hit in hits] == wanted and [hit.score for hit in hits] == row.scores[:4]
    assert len(kept.locate(photos[0], top=2, rerank=4, distinct_metres=25).hits) == 2
    assert kept.add(shared_set / "queries") > 0  # further photos keep their local features too
    reopened = vprkit.Map.open(tmp_path / "kept.map", method=selavpr)
    assert reopened.locate(photos[0], top=1, rerank=6).hits[0].path == photos[0]
    with pytest.raises(StoreError, match="keeps local features as none"):
        vprkit.Map.build(shared_set / "database", selavpr, tmp_path / "bare.map", local="int8")


def test_a_map_of_a_method_without_second_stage_says_so(hog, shared_set, tmp_path):
    city = vprkit.Map.build(shared_set / "database", hog, tmp_path / "hog.map")
    with pytest.raises(NotAvailable, match="'hog' has no second stage"):
        city.locate(next(iter((shared_set / "queries").iterdir())), rerank=3)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_the_forecast_is_what_the_store_takes(selavpr, benchmark, tmp_path, dtype):
    second = Second(3, "store", dtype)
    vprkit.evaluate(selavpr, benchmark, rerank=second, features=tmp_path)
    kept = sum(path.stat().st_size for path in tmp_path.rglob("local.0*.bin"))
    assert forecast(second, selavpr, len(benchmark.database) + len(benchmark.queries)) == kept
    assert forecast(Second(3, "recompute"), selavpr, 10) == 0


def test_the_command_says_it_and_refuses_a_full_disk(shared_set, monkeypatch, capsys):
    from collections import namedtuple

    from vprkit.cli import main

    small = [part for key in ("size=S", "depth=1", "table_size=56", "local_channels=8") for part in ("-s", key)]
    words = ["vpr", "evaluate", "selavpr", str(shared_set), "-w", "random:3", "--resize", "56", "--rerank", "3", *small]
    monkeypatch.setattr("sys.argv", words)
    monkeypatch.setattr("shutil.disk_usage", lambda path: namedtuple("Usage", "free")(1000))
    with pytest.raises(SystemExit) as stop:
        main()
    told = capsys.readouterr().err
    assert stop.value.code == 1 and "GB free, local features of" in told and "choose another folder" in told


def test_another_second_stage_may_be_given_and_is_told(selavpr, benchmark):
    class Backwards:
        """The last candidate is the best."""

        def begin(self, query, shortlist):
            self.seen = 0
            return self

        def score(self, candidates):
            self.seen += len(candidates)
            return torch.arange(self.seen - len(candidates), self.seen)

    given = vprkit.evaluate(selavpr, benchmark, rerank=Second(4, reranker=Backwards()), ks=(5,))
    plain = vprkit.evaluate(selavpr, benchmark, ks=(5,))
    for before, after in zip(plain.rankings, given.rankings, strict=True):
        assert after.ranking == before.ranking[:4][::-1] + before.ranking[4:]
    assert given.second_stage["reranker"] == "Backwards" and given.second_stage["count"] == 4
    own = vprkit.evaluate(selavpr, benchmark, rerank=2)
    assert own.second_stage["reranker"] == "MutualMatches" and own.second_stage["products"] == "exact"


def test_the_command_changes_the_second_stage_and_checks_memory(selavpr, benchmark, tmp_path, monkeypatch):
    options = shared.second_of(selavpr, 3, "ram", "int8", "first_stage", ["products=checked", "doubt=0.1"])
    assert options.reranker == MutualMatches(products="checked", doubt=0.1)
    with pytest.raises(ConfigError, match="unknown key 'product'.*did you mean 'products'"):
        shared.second_of(selavpr, 3, "ram", "int8", "first_stage", ["product=half"])
    with pytest.raises(ConfigError, match="ask for one with --rerank N"):
        shared.second_of(selavpr, None, "ram", "int8", "first_stage", ["products=half"])
    monkeypatch.setattr("vprkit.device.free_memory", lambda: 1000)
    with pytest.raises(ConfigError, match="GB of memory.*keep them in the store"):
        forecast_local(selavpr, options, 10, tmp_path)
    monkeypatch.setattr("vprkit.device.free_memory", lambda: 10**12)
    forecast_local(selavpr, options, 10, tmp_path)
