import dataclasses

import numpy as np
import pytest

import vprkit
from vprkit.cli import main
from vprkit.errors import ConfigError, DataError
from vprkit.evaluation.sweep import Sweep, on_another, sweep
from vprkit.evaluation.two_stage import Second
from vprkit.rerank.guided import SHARES
from vprkit.rerank.guided_grid import thresholds
from vprkit.rerank.guided_matches import GuidedMatches
from vprkit.rerank.with_patches import with_patches

SALIENCIES, SIMILARITIES = (0.1, 0.4, 0.7), (0.0, 0.5, 0.9, 1.0)


@pytest.fixture(scope="module")
def guided():
    method = vprkit.load_method("dinov2", "random:1", size="S", depth=2, table_size=56, resize=56, device="cpu")
    return with_patches(method)


@pytest.fixture(scope="module")
def benchmark(shared_set):
    return vprkit.open_benchmark(shared_set)


@pytest.mark.parametrize("mask", sorted(SHARES))
@pytest.mark.parametrize("ties", ["first_stage", "reversed"])
def test_every_cell_is_what_evaluating_with_its_thresholds_gives(guided, benchmark, tmp_path, mask, ties):
    second = Second(10, ties=ties)
    found = sweep(guided, benchmark, second, SALIENCIES, SIMILARITIES, mask=mask, features=tmp_path)
    for row, saliency in enumerate(SALIENCIES):
        for column, similarity in enumerate(SIMILARITIES):
            asked = dataclasses.replace(second, reranker=GuidedMatches(saliency, similarity, mask))
            result = vprkit.evaluate(guided, benchmark, rerank=asked, ks=(1, 5, 10), features=tmp_path)
            assert {k: found.recalls[k][row][column] for k in (1, 5, 10)} == pytest.approx(result.recalls)
            assert result.first_stage == found.first_stage


def test_it_is_saved_printed_and_its_best_is_used_elsewhere(guided, benchmark, tmp_path):
    found = sweep(guided, benchmark, Second(10), SALIENCIES, SIMILARITIES)
    found.save(tmp_path / "sweep.json")
    assert Sweep.load(tmp_path / "sweep.json") == found
    assert found.table().count("\n") == 1 + len(SALIENCIES) and "before" in found.table()
    best = found.best()
    cell = SALIENCIES.index(best.saliency), SIMILARITIES.index(best.similarity)
    assert found.recalls[1][cell[0]][cell[1]] == np.max(found.recalls[1])
    result = vprkit.evaluate(guided, benchmark, rerank=Second(10, reranker=best))
    assert "this is no fair figure" in on_another(found, result).notices[-1]
    elsewhere = on_another(found, dataclasses.replace(result, benchmark="other"))
    assert "chosen among 12 pairs by R@1 on" in elsewhere.notices[-1] and "fair" not in elsewhere.notices[-1]
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(DataError, match="not a sweep"):
        Sweep.load(tmp_path / "bad.json")


def test_the_best_has_the_highest_first_then_the_next_recall():
    cells = {1: [[50.0, 60.0], [60.0, 10.0]], 5: [[90.0, 70.0], [80.0, 20.0]]}
    made = Sweep("b", "m", 10, 5, "strict", (0.1, 0.2), (0.3, 0.4), {1: 40.0, 5: 60.0}, cells)
    assert made.best() == GuidedMatches(0.2, 0.3, "strict")


def test_thresholds_are_read():
    assert thresholds("0.1:0.5:0.2") == (0.1, 0.3, 0.5) and thresholds("0.5,0.1") == (0.1, 0.5)
    assert thresholds([0.3, 0.2]) == (0.2, 0.3)
    for text in ("a", "0:1:0", "1:2"):
        with pytest.raises(ConfigError, match="start:end:step"):
            thresholds(text)


def test_what_cannot_be_is_refused(guided, benchmark):
    with pytest.raises(ConfigError, match="must rise"):
        sweep(guided, benchmark, Second(10), (0.5, 0.1), (0.5,))
    with pytest.raises(ConfigError, match="R@10 needs as many"):
        sweep(guided, benchmark, Second(3), (0.5,), (0.5,))


def test_the_command_chooses_on_one_set_and_measures_on_another(shared_set, tmp_path, capsys, monkeypatch):
    small = ["-s", "size=S", "-s", "depth=2", "-s", "table_size=56", "--resize", "56", "-w", "random:1", "-q"]
    words = ["vpr", "sweep", "dinov2", str(shared_set), "--test", str(shared_set), "--guided", *small]
    more = ["--saliency", "0.1,0.4", "--similarity", "0.2:0.6:0.4", "--save", str(tmp_path / "sweep.json")]
    monkeypatch.setattr("sys.argv", [*words, *more])
    with pytest.raises(SystemExit) as stop:
        main()
    shown = capsys.readouterr().out
    assert not stop.value.code
    best = Sweep.load(tmp_path / "sweep.json").best()
    assert f"best: --rerank-set saliency={best.saliency:g} --rerank-set similarity={best.similarity:g}" in shown
    assert "were chosen among 4 pairs" in shown and "no fair figure" in shown
    monkeypatch.setattr("sys.argv", ["vpr", "evaluate", "dinov2", str(shared_set), "--patches", "layer=0", *small])
    with pytest.raises(SystemExit):
        main()
    assert "add --guided" in capsys.readouterr().err
