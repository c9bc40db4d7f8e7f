"""The memory in a run: when it is used, what is written down, what is refused."""

import json

import pytest
import torch

from tests.training.small import OPTIONS, Drawn
from vprkit.errors import ConfigError, DataError
from vprkit.losses.memory import MemoryBank, memory_loss
from vprkit.losses.miners import HardTripletMiner
from vprkit.losses.multi_similarity import MultiSimilarityLoss
from vprkit.losses.nca import NCALoss
from vprkit.losses.pairs import all_pairs
from vprkit.registry import find_recipe
from vprkit.training import losses
from vprkit.training.losses import LOSSES, MINERS, Criterion, make_loss, make_miner
from vprkit.training.memory import MemorySettings, Remembering
from vprkit.training.negatives import read_negatives, record_of
from vprkit.training.train import resolve_settings, train

MEMORY = {"memory.size": 40, "memory.start_epoch": 1}
SMALL = {"sampling.places": 2, "miner": "none", **MEMORY}


def run(out, **options):
    given = {key.replace("__", "."): value for key, value in options.items()}
    return train("mixvpr", {"train": Drawn()}, out=out, options={**OPTIONS, **SMALL, **given})


def log(run_):
    return [json.loads(line) for line in (run_.folder / "log.jsonl").read_text().splitlines()]


def test_it_begins_at_its_epoch_and_is_emptied_after_each(tmp_path):
    with_memory, without = run(tmp_path / "with", epochs=3), run(tmp_path / "without", epochs=3, memory__size=0)
    one, other = log(with_memory), log(without)
    per_epoch = len(one) // 3
    assert [line["loss"] for line in one[:per_epoch]] == [line["loss"] for line in other[:per_epoch]]
    assert all("negatives_memory" not in line for line in [*one[:per_epoch], *other])
    for epoch in (1, 2):
        lines = one[epoch * per_epoch : (epoch + 1) * per_epoch]
        assert lines[0]["negatives_memory"] == 0 == lines[0]["negatives_age"]
        assert any(line["negatives_memory"] > 0 and line["negatives_age"] >= 1 for line in lines[1:])
    assert one[per_epoch + 1]["loss"] != other[per_epoch + 1]["loss"]
    state = torch.load(with_memory.folder / "last.ckpt", weights_only=True)["task"]["memory.bank._extra_state"]
    assert not len(state["vectors"]) and state["steps"] == 2 * per_epoch


def test_accumulated_batches_join_it_one_by_one(tmp_path):
    found = run(tmp_path / "run", memory__start_epoch=0, running__accumulate=2)
    steps = torch.load(found.folder / "last.ckpt", weights_only=True)["task"]["memory.bank._extra_state"]["steps"]
    assert steps == 12 and found.steps == 6


def test_records_count_what_the_loss_saw(tmp_path):
    found = run(tmp_path / "run", memory__start_epoch=0, memory__record_every=2, memory__decay=0.5)
    records = read_negatives(found.folder)
    assert list(records) == [2, 4, 6, 8, 10, 12]
    logged = {line["step"]: line for line in log(found) if "loss" in line}
    for step, record in records.items():
        assert record.iteration == step
        assert (record.batch, record.memory) == (logged[step]["negatives_batch"], logged[step]["negatives_memory"])
        assert sum(record.counts) == record.batch + record.memory
        assert sum(record.histogram_batch) == record.batch and sum(record.histogram_memory) == record.memory
        assert record.weights == pytest.approx([2.718281828 ** (-0.5 * age) for age in record.ages], rel=1e-5)
        assert len(record.edges) == len(record.histogram_memory) + 1


def test_a_record_against_a_loop():
    bank, loss = MemoryBank(7), MultiSimilarityLoss()
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        vectors, labels = torch.randn(3, 4, generator=generator), torch.randint(2, (3,), generator=generator)
        found = memory_loss(bank, loss, HardTripletMiner(), vectors, labels, decay=0.1)
    record = record_of(found, vectors, NCALoss(), bank.steps)
    pairs = {(a, n) for a, _, n in zip(*(part.tolist() for part in found.indices), strict=True)}
    ages = [int(found.references.ages[n]) for _, n in pairs]
    assert record.batch == ages.count(0) and record.memory == len(pairs) - ages.count(0) and record.memory
    assert list(record.counts) == [ages.count(age) for age in record.ages] and sorted(set(ages)) == list(record.ages)
    assert set(record.weights) == {1.0}  # NCA weighs nothing, whatever the decay
    for age, similarity in zip(record.ages, record.similarities, strict=True):
        cosines = [torch.nn.functional.cosine_similarity(vectors[a], found.references.vectors[n], dim=0)
                   for a, n in pairs if int(found.references.ages[n]) == age]  # fmt: skip
        assert similarity == pytest.approx(float(sum(cosines) / len(cosines)), abs=1e-5)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"fast_ap"}))
def test_every_loss_takes_it(name):
    memory = Remembering(MemorySettings(size=12))
    memory.start_epoch(0)
    vectors = torch.randn(6, 8, requires_grad=True)
    for _ in range(3):
        value = memory(Criterion(make_loss(name), None), vectors, torch.arange(3).repeat(2))["loss"]
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(vectors.grad).all()


@pytest.mark.parametrize("name", sorted(set(MINERS) - {"none"}))
def test_every_miner_takes_it(name):
    memory = Remembering(MemorySettings(size=12))
    memory.start_epoch(0)
    for _ in range(3):
        values = memory(Criterion(NCALoss(), make_miner(name)), torch.randn(6, 8), torch.arange(3).repeat(2))
    assert values["negatives_batch"] + values["negatives_memory"] >= 0


def test_what_takes_no_references_is_refused_at_the_first_batch(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"cannot be used with loss FastAPLoss.*memory.size=0"):
        run(tmp_path / "fast", loss="fast_ap", miner="none", memory__start_epoch=1)
    monkeypatch.setitem(losses.MINERS, "own", lambda: lambda embeddings, labels: all_pairs(labels))
    with pytest.raises(ConfigError, match="which take no references beside the batch"):
        run(tmp_path / "own", miner="own", memory__start_epoch=1)
    assert run(tmp_path / "none", loss="fast_ap", miner="none", memory__size=0).steps


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory.size": 479}, r"memory.size is 479, but a batch has 480 images.*memory.size=0 for no memory"),
        ({"memory.size": -1}, "memory.size must be a number of at least 0, got -1"),
        ({"memory.decay": -0.1}, "memory.decay must be a number of at least 0"),
        ({"memory.decay": float("nan")}, "'memory.decay' must be a finite number, got nan"),
        ({"memory.decay": float("inf")}, "'memory.decay' must be a finite number, got inf"),
        ({"memory.siz": 5}, r"unknown key 'memory.siz' \(did you mean 'size'"),
        ({"running.accumulate_from": -1}, "running.accumulate_from must be at least 0"),
    ],
)
def test_settings_that_cannot_be(options, message):
    with pytest.raises(ConfigError, match=message):
        resolve_settings(find_recipe("mixvpr"), None, options)


def test_reading_records_of_no_run(tmp_path):
    with pytest.raises(DataError, match="memory.record_every"):
        read_negatives(tmp_path)
    (tmp_path / "log.jsonl").write_text('{"step": 1, "loss": 2}\n{"step": 2, "negatives": {"ages": 3}}\n')
    with pytest.raises(DataError, match="line 2 cannot be read"):
        read_negatives(tmp_path)
