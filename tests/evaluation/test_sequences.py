"""Sequences are described by their frames, ranked, scored per city, and written and read as prediction files."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.test_cli import ok
from tests.data.msls_miniature import write_msls
from tests.data.test_msls import LENGTHS
from vprkit.data.benchmark import open_benchmark
from vprkit.errors import ConfigError, DataError
from vprkit.evaluation.evaluate import evaluate, evaluate_descriptors, evaluate_rankings
from vprkit.evaluation.result import Result
from vprkit.evaluation.sequences import sequence_vectors
from vprkit.evaluation.submission import read_submission, write_submission
from vprkit.retrieval.describe import Streaming


@pytest.fixture(scope="module")
def msls(tmp_path_factory) -> Path:
    return write_msls(tmp_path_factory.mktemp("data") / "msls", test=("miami", "athens"))


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def by_hand(how: str, rows: list[np.ndarray]) -> np.ndarray:
    units = [unit(row) for row in rows]
    joined = {"mean": lambda: sum(units) / len(units), "max": lambda: np.max(units, 0),
              "concat": lambda: np.concatenate(units)}[how]()  # fmt: skip
    return unit(joined)


@pytest.mark.parametrize("how", ["mean", "max", "concat"])
def test_vectors_of_sequences(how):
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(7, 5)) * np.array([1, 100, 1, 1e-3, 1, 1, 1])[:, None]  # lengths must not matter
    rows = np.array([[0, 1, 2], [1, 2, 3], [6, 5, 4]])
    found = sequence_vectors(vectors, rows, how)
    assert found.dtype == np.float32
    assert np.allclose(found, [by_hand(how, [vectors[row] for row in each]) for each in rows], atol=1e-6)
    assert np.isfinite(sequence_vectors(np.zeros((3, 4)), rows[:1] * 0, how)).all()


@pytest.mark.parametrize("task", LENGTHS)
def test_every_task_is_evaluated(msls, thumbnail, task):
    benchmark = open_benchmark(msls, "val", task=task)
    result = evaluate(thumbnail, benchmark, ks=(1, 5))
    sides = {}
    for role, records in benchmark.images().items():
        vectors = thumbnail.describe([record.path for record in records]).global_.numpy()
        side = None if benchmark.frames is None else getattr(benchmark.frames, role)
        rows = np.arange(len(records))[:, None] if side is None else side.rows
        sides[role] = np.array([by_hand("mean", [vectors[row] for row in each]) for each in rows])
    again = evaluate_descriptors(sides["queries"], sides["database"], benchmark, ks=(1, 5))
    assert [row.ranking for row in result.rankings] == [row.ranking for row in again.rankings]
    assert result.recalls == again.recalls and result.precisions == again.precisions
    assert (result.queries, result.database) == (len(benchmark.queries), len(benchmark.database))
    assert set(result.areas) == {"cph", "sf"} and {"R@1", "R@5", "mAP@1", "mAP@5"} < set(result.areas["sf"])
    assert result.areas["cph"]["queries"] + result.areas["sf"]["queries"] == result.queries
    assert result.identity.get("sequences") == (None if task == "im2im" else "mean")


def test_recall_and_precision_of_sequences_by_loops(msls):
    benchmark = open_benchmark(msls, "val", task="seq2im", length=5)
    rng = np.random.default_rng(5)
    rankings = np.array([rng.permutation(len(benchmark.database))[:10] for _ in range(len(benchmark.queries))])
    result = evaluate_rankings(rankings, benchmark, ks=(1, 5, 10))
    for k in (1, 5, 10):
        right = [set(row.tolist()) for row in benchmark.positives]
        hits = [any(int(each) in wanted for each in row[:k]) for row, wanted in zip(rankings, right, strict=True)]
        assert result.recalls[k] == pytest.approx(100 * np.mean(hits))
        precision = []
        for row, wanted in zip(rankings, right, strict=True):
            so_far, total = 0, 0.0
            for rank, each in enumerate(row[:k], 1):
                if int(each) in wanted:
                    so_far += 1
                    total += so_far / rank
            precision.append(total / min(len(wanted), k))
        assert result.precisions[k] == pytest.approx(100 * np.mean(precision))


def test_results_keep_the_frames_and_are_not_mistaken_for_those_of_images(msls, thumbnail, tmp_path):
    sequences = evaluate(thumbnail, open_benchmark(msls, "val", task="seq2seq"), ks=(1,), sequences="concat")
    sequences.save(tmp_path / "run.json")
    loaded = Result.load(tmp_path / "run.json")
    assert loaded.rankings == sequences.rankings and loaded.images == sequences.images
    assert all(len(row.frames) == 3 and row.frames[1] == row.name for row in loaded.rankings)
    assert any("queries of 3 frames" in notice and "concat" in notice for notice in loaded.notices)
    five = evaluate(thumbnail, open_benchmark(msls, "val", task="seq2seq", length=5), ks=(1,))
    assert loaded.list_hashes["queries"] != five.list_hashes["queries"]


@pytest.mark.parametrize("task", LENGTHS)
@pytest.mark.parametrize("split", ["val", "test"])
def test_prediction_files_round_trip(msls, thumbnail, tmp_path, task, split):
    benchmark = open_benchmark(msls, split, task=task)
    result = evaluate(thumbnail, benchmark, ks=(1, 25))
    write_submission(result, tmp_path / "predictions.txt")
    lines = (tmp_path / "predictions.txt").read_text().splitlines()[1:]
    asking, answering = LENGTHS[task]
    assert len(lines) == len(benchmark.queries)
    for line, row in zip(lines, result.rankings, strict=True):
        query, *answers = line.split(" ")
        assert query.count(",") == asking - 1 and {each.count(",") for each in answers} == {answering - 1}
        assert query.split(",")[asking // 2] == Path(row.name).stem
    rankings = read_submission(tmp_path / "predictions.txt", benchmark)
    assert [row[row >= 0].tolist() for row in rankings] == [row.ranking for row in result.rankings]
    again = evaluate_rankings(rankings, benchmark, ks=(1, 25))
    assert again.recalls == result.recalls and again.areas == result.areas
    if split == "test":
        city = [benchmark.areas.names[area] for area in benchmark.areas.database]
        for row in result.rankings:
            assert {city[number] for number in row.ranking} == {row.name.split("/")[1]}


def test_prediction_files_that_cannot_be_right(msls, tmp_path):
    benchmark = open_benchmark(msls, "val")
    path = tmp_path / "predictions.txt"
    query, answer = (Path(each.names[0]).stem for each in (benchmark.queries, benchmark.database))
    for text, message in (
        (f"{query} nobody\n", "line 1: the answer 'nobody' is none of the"),
        (f"# comment\n{query} {answer} {answer}\n", f"line 2: the answer '{answer}' stands twice"),
        (f"{query} {answer}\n{query} {answer}\n", "line 2: the query .* has a line already"),
        ("else x\n", "no line is about one of the"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            read_submission(path, benchmark)
    path.write_text(f"\n# only one\n{query} {answer}\nelse x\n")
    rankings = read_submission(path, benchmark)
    assert rankings.shape == (len(benchmark.queries), 1) and rankings[0, 0] == 0 and (rankings[1:] == -1).all()
    result = evaluate_rankings(rankings, benchmark, ks=(1,))
    assert result.recalls[1] == pytest.approx(100 * float(0 in benchmark.positives[0]) / len(benchmark.queries))
    with pytest.raises(DataError, match="cannot be read as a prediction file"):
        read_submission(tmp_path, benchmark)


def test_what_sequences_cannot_do_is_said_before_work(msls, thumbnail, tmp_path):
    mixed = open_benchmark(msls, "val", task="seq2im")
    with pytest.raises(ConfigError, match="need one length on both sides"):
        evaluate(thumbnail, mixed, sequences="concat")
    with pytest.raises(ConfigError, match="sequences as 'avg' are unknown"):
        evaluate(thumbnail, mixed, sequences="avg")
    with pytest.raises(ConfigError, match="queries as five_crops looks at single images"):
        evaluate(thumbnail, mixed, queries_as="five_crops")


def test_a_sequence_with_an_unreadable_frame_is_skipped_and_counted(thumbnail, tmp_path):
    root = write_msls(tmp_path / "msls")
    benchmark = open_benchmark(root, "val", task="seq2seq")
    victim = benchmark.frames.database.names(2)[0]
    (root / victim).write_bytes(b"no picture")
    result = evaluate(thumbnail, benchmark, ks=(1,), streaming=Streaming(on_error="skip"))
    holding = [item for item in range(len(benchmark.database)) if victim in benchmark.frames.database.names(item)]
    assert 2 in holding and len(holding) > 1
    assert any(
        notice.startswith(f"{len(holding)} database sequences with an unreadable image") for notice in result.notices
    )
    assert not {number for row in result.rankings for number in row.ranking} & set(holding)


def test_sequences_on_the_command_line(msls, tmp_path):
    out = tmp_path / "seq.txt"
    shown = json.loads(ok("evaluate", "thumbnail", msls, "--split", "val", "--task", "seq2im", "--length", 5,
                          "--sequences", "max", "--submission", out, "--json", "--quiet"))  # fmt: skip
    assert shown["identity"]["sequences"] == "max" and "queries of 5 frames" in shown["rule"]
    assert all(len(row["frames"]) == 5 for row in shown["rankings"])
    assert out.read_text().splitlines()[1].split(" ")[0].count(",") == 4
    table = ok("evaluate", "thumbnail", msls, "--protocol", "msls-val-seq2seq-3", "--quiet")
    assert "mAP@5" in table and "  cph" in table and "protocol: msls-val-seq2seq-3" in table


def test_a_key_with_a_comma_cannot_be_written(msls, thumbnail, tmp_path):
    result = evaluate(thumbnail, open_benchmark(msls, "val"), ks=(1,))
    rows = [dataclasses.replace(result.rankings[0], name="a,b.jpg"), *result.rankings[1:]]
    with pytest.raises(DataError, match="holds a space or a comma"):
        write_submission(dataclasses.replace(result, rankings=rows), tmp_path / "x.txt")
