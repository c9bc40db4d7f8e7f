"""`vpr report`: HTML with extras, tables by ending."""

import pytest

from tests.cli.test_cli import ok, refused, vpr
from tests.evaluation.answers import answers

SMALL = ["-w", "random:3", "-s", "size=S", "-s", "depth=1", "-s", "table_size=56", "--resize", "56"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for seed in (1, 2):
        answers(400, seed=seed).save(folder / f"{seed}.json")
    ok("confidence", "fit", folder / "1.json", "--out", folder / "sure.json")
    return folder


def test_the_ending_decides_what_is_written(runs, tmp_path):
    for name, sign in (("t.md", "| Method |"), ("t.tex", r"\begin{tabular}"), ("t.html", "<!doctype html>")):
        assert ok("report", runs / "1.json", runs / "2.json", "--out", tmp_path / name).strip() == str(tmp_path / name)
        assert sign in (tmp_path / name).read_text()
        assert "exists already" in refused("report", runs / "1.json", "--out", tmp_path / name)
    assert "as .html" in refused("report", runs / "1.json", "--out", tmp_path / "t.pdf")
    assert "--tiles is for HTML" in refused("report", runs / "1.json", "-o", tmp_path / "u.md", "--tiles", "x")


def test_confidence_and_tiles(runs, tmp_path):
    ok("report", runs / "2.json", "--confidence", runs / "sure.json", "--out", tmp_path / "r.html",
       "--tiles", "http://127.0.0.1:9/{z}/{x}/{y}.png", "--tiles-credit", "nobody")  # fmt: skip
    page = (tmp_path / "r.html").read_text()
    assert "Rejecting unsure answers" in page and "http://127.0.0.1:9/" in page and "nobody" in page
    assert "--tiles" in refused("report", runs / "2.json", "--tiles-credit", "nobody", "--out", tmp_path / "s.html")
    assert "--matches" in refused("report", runs / "2.json", "-w", "random:3", "--out", tmp_path / "s.html")
    assert "not a calibration" in refused("report", runs / "2.json", "--confidence", runs / "1.json", "--out",
                                          tmp_path / "s.html")  # fmt: skip


def test_matches_need_a_reranked_run_and_its_weights(shared_set, runs, tmp_path):
    for seed in (1, 2):
        stage = {"reranked": 5, "second_stage": {"count": 5, "reranker": "Mutual"}}
        answers(20, seed=seed, **stage).save(tmp_path / f"{seed}.json")
    both = ["report", tmp_path / "1.json", tmp_path / "2.json", "--out", tmp_path / "b.html", "--matches", 1]
    assert "here are 2; report them one by one" in refused(*both, "-w", "random:3")
    assert "no run was re-ranked" in refused("report", runs / "1.json", "--matches", 2, "--out", tmp_path / "r.html")
    ok("evaluate", "selavpr", shared_set, *SMALL, "--rerank", 4, "--save", tmp_path / "run.json", "-q")
    ok("report", tmp_path / "run.json", "--matches", 1, "--out", tmp_path / "r.html", "--device", "cpu")
    assert "What re-ranking matched" in (tmp_path / "r.html").read_text()
    (tmp_path / "run.json").write_text((tmp_path / "run.json").read_text().replace('"random:3"', '"lost.safetensors"'))
    done = vpr("report", tmp_path / "run.json", "--matches", 1, "--out", tmp_path / "s.html", "--device", "cpu")
    assert done.returncode == 0 and "note: without matches of selavpr" in done.stderr
    assert "What re-ranking matched" not in (tmp_path / "s.html").read_text()
    ok("report", tmp_path / "run.json", "--matches", 1, "-w", "random:3", "-o", tmp_path / "t.html", "--device", "cpu")
