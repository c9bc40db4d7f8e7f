"""Which weights of a run are best with both stages: ranked, duplicates measured once, failures told."""

import csv
import json

import pytest

import vprkit
from tests.cli.test_cli import vpr
from tests.methods.pairvpr_small import NETWORK, SIDE
from vprkit.errors import NotAvailable
from vprkit.evaluation.checkpoints import Measured, _ranked, search_checkpoints
from vprkit.evaluation.two_stage import Second
from vprkit.loading import save_method

MODEL = {key.removeprefix("model."): value for key, value in NETWORK.items() if key.startswith("model.")}


@pytest.fixture
def weights(tmp_path):
    """Three files, two of them of one network, one damaged; and an authors' file."""
    folder = tmp_path / "run"
    folder.mkdir()
    for number in (0, 1):
        method = vprkit.load_method("pairvpr", f"random:{number}", device="cpu", resize=SIDE, **MODEL)
        save_method(method, folder / f"epoch-0000{number + 1}.safetensors")
    save_method(method, folder / "last.safetensors")
    (folder / "locas_3.pth").write_bytes(b"\x80\x02 cut off")
    (folder / "checkpoints.txt").write_text("no weights")
    return folder


def test_files_are_ranked_by_the_second_stage_and_failures_are_told(weights, shared_set):
    so_far = []
    found = search_checkpoints(
        weights, vprkit.open_benchmark(shared_set), Second(3, dtype="float32"), device="cpu", done=so_far.append
    )
    assert [row.file for row in found.failed] == ["locas_3.pth"] and "damaged" in found.failed[0].failure
    assert {row.file for row in found.rows[:2]} == {"epoch-00001.safetensors", "epoch-00002.safetensors"}
    assert [len(each.rows) for each in so_far] == [1, 2, 3]
    for row in found.rows[:2]:
        method = vprkit.load_method(weights=weights / row.file, device="cpu")
        result = vprkit.evaluate(
            method, vprkit.open_benchmark(shared_set), ks=(1, 5), rerank=Second(3, dtype="float32")
        )
        assert row.first[1] == result.first_stage[1] and row.second[1] == result.recalls[1]
        assert row.second[5] == result.recalls[5]
    assert found.rows[0].second[1] >= found.rows[1].second[1] and found.best == weights / found.rows[0].file
    assert "failed: " in found.table() and found.table().count("\n") == 4
    rows = list(csv.DictReader(found.to_csv().splitlines()))
    assert list(rows[0]) == ["name", "recall@1", "recall@5", "recall@10", "recall_refined@1", "recall_refined@5",
                             "recall_refined@10", "failure"]  # fmt: skip
    assert float(rows[0]["recall_refined@1"]) == pytest.approx(found.rows[0].second[1], abs=1e-4)
    assert rows[2]["recall@1"] == "" and rows[2]["failure"]


def test_equal_recalls_at_the_least_k_are_told_apart_by_the_next():
    def row(file, *recalls):
        return Measured(file, {}, dict(zip((1, 5), recalls, strict=False)))

    rows = [Measured("broken", {}, {}, "why"), row("c", 50.0, 70.0), row("b", 50.0, 80.0), row("a", 60.0, 60.0),
            row("d", 50.0, 80.0)]  # fmt: skip
    assert [each.file for each in _ranked(rows, (1, 5))] == ["a", "b", "d", "c", "broken"]


def test_a_method_without_a_second_stage_fails_and_says_so(tmp_path, shared_set):
    save_method(vprkit.load_method("compact", "random", device="cpu"), tmp_path / "last.safetensors")
    found = search_checkpoints(tmp_path, vprkit.open_benchmark(shared_set), Second(3), device="cpu")
    assert found.best is None and "has no second stage" in found.failed[0].failure
    with pytest.raises(NotAvailable, match="holds no weights .*running.keep_every"):
        search_checkpoints(tmp_path / "nothing", vprkit.open_benchmark(shared_set), Second(3))


def test_the_command(weights, shared_set):
    arguments = ("search-checkpoints", weights, shared_set, "--rerank", 3, "--device", "cpu", "--quiet")
    done = vpr(*arguments)
    assert done.returncode == 1 and "best: " in done.stdout and "locas_3.pth" in done.stdout, done.stderr
    kept = (weights / "checkpoints.csv").read_text()
    assert kept.startswith("name,recall@1") and "checkpoints.csv" in done.stdout
    again = vpr(*arguments)
    assert again.returncode == 1 and "overwrite" in again.stderr
    (weights / "locas_3.pth").unlink()
    told = vpr(*arguments, "--json", "--overwrite", "--recall", "1,5")
    assert told.returncode == 0
    answer = json.loads(told.stdout)
    assert answer["best"].endswith(answer["rows"][0]["file"]) and len(answer["rows"]) == 2
