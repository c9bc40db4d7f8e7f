"""`vpr show ...` from the command line: files come out, and bad input is one sentence."""

import json
import sys

import pytest
from PIL import Image

from tests.conftest import picture
from tests.evaluation.answers import answers
from vprkit import config
from vprkit.cli import main
from vprkit.evaluation.confidence import fit_confidence
from vprkit.evaluation.sweep import Sweep
from vprkit.extras import installing
from vprkit.training.negatives import Negatives

SMALL = ["-w", "random:3", "-s", "size=S", "-s", "depth=2", "-s", "table_size=56", "--resize", "56"]


@pytest.fixture
def vpr(tmp_path, monkeypatch, capsys):
    """Runs `vpr show ...` beside two photos; gives its exit status, output and errors."""
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        Image.fromarray(picture(number, (60, 80), noise=20)).save(f"{number}.jpg")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["vpr", "show", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        return stop.value.code or 0, *capsys.readouterr()

    return run


def test_heads_pca_and_similarity(vpr, tmp_path):
    for words in (["heads", "rerankvpr", "1.jpg"], ["pca", "rerankvpr", "1.jpg", "2.jpg", "--block", "-1"]):
        status, out, _ = vpr(*words, *SMALL)
        assert status == 0 and f"{words[0]}.png" in out
        assert Image.open(tmp_path / f"{words[0]}.png").width > 500
    status, out, _ = vpr("similarity", "rerankvpr", "1.jpg", "1.jpg", "--at", "79,0", "--facet", "key", *SMALL)
    assert status == 0 and "key: 1.000 at 49,7 of the second photo" in out and "value" not in out
    assert "exists already" in vpr("heads", "rerankvpr", "1.jpg", *SMALL)[2]
    assert vpr("heads", "rerankvpr", "1.jpg", "--block", "-2", "--overwrite", *SMALL)[0] == 0


def test_before_and_after(vpr, tmp_path):
    import vprkit
    from vprkit.loading import save_method

    other = vprkit.load_method("rerankvpr", "random:8", size="S", depth=2, table_size=56, device="cpu")
    save_method(other, tmp_path / "after.safetensors")
    assert vpr("pca", "rerankvpr", "1.jpg", "--out", "one.png", *SMALL)[0] == 0
    assert vpr("pca", "rerankvpr", "1.jpg", "--out", "two.png", "--other", "after.safetensors", *SMALL)[0] == 0
    assert Image.open("two.png").width > 1.5 * Image.open("one.png").width


def test_matches_by_clusters_and_points(vpr):
    words = [
        "matches",
        "rerankvpr",
        "1.jpg",
        "1.jpg",
        "--choose",
        "clusters",
        "--points",
        "--rerank-set",
        "saliency=0.05",
    ]
    status, out, _ = vpr(*words, "--most", "4", *SMALL)
    assert status == 0 and ", 4 drawn: matches.jpg" in out
    assert Image.open("matches.jpg").size == (8 * (56 + 8 + 56), 8 * 56)
    assert (
        "--choose is spread or clusters, not 'best'"
        in vpr("matches", "rerankvpr", "1.jpg", "1.jpg", "--choose", "best")[2]
    )


def test_negatives_of_a_run(vpr, tmp_path):
    record = Negatives(1, 4, 2, (0, 1), (4, 2), (1.0, 0.9), (0.1, 0.2), (-1.0, 0.0, 1.0), (1, 3), (0, 2))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.jsonl").write_text(json.dumps({"step": 1, "negatives": config.to_dict(record)}) + "\n")
    status, out, _ = vpr("negatives", "run", "--out", "n.svg")
    assert status == 0 and "negatives of 1 batch: n.svg" in out
    assert (tmp_path / "n.svg").read_text().startswith("<?xml")
    assert "log.jsonl is not there" in vpr("negatives", "other")[2]


def test_a_set_on_a_plane(vpr, shared_set):
    status, out, _ = vpr("tsne", "hog", str(shared_set), "--most", "12", "--quiet")
    assert status == 0 and "12 images on a plane: tsne.png" in out and Image.open("tsne.png").height > 500


def test_a_saved_sweep(vpr, tmp_path):
    Sweep("city", "m", 4, 2, "strict", (0.1,), (0.2, 0.5), {1: 50.0}, {1: [[50.0, 75.0]]}).save(tmp_path / "sweep.json")
    status, out, _ = vpr("sweep", "sweep.json")
    assert status == 0 and "best: saliency 0.1, similarity 0.5: sweep.png" in out
    assert "not a sweep" in vpr("sweep", "1.jpg", "--out", "other.png")[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["heads", "hog", "1.jpg"], "this figure reads the patches of a DINOv2, 'hog' has none"),
        (["heads", "hog", "1.jpg", "--out", "a.gif"], "not '.gif'"),
        (
            ["matches", "selavpr", "1.jpg", "2.jpg", "--out", "a.pdf"],
            "a picture is written as .jpg, .jpeg, .png",
        ),
        (["heads", "rerankvpr", "1.jpg", "--block", "7", *SMALL], "block 7 does not exist"),
        (["heads", "rerankvpr", "3.jpg", *SMALL], "3.jpg: there is no such file"),
        (["similarity", "hog", "1.jpg", "2.jpg", "--at", "4"], "write two numbers such as --at 120,80"),
        (["similarity", "rerankvpr", "1.jpg", "2.jpg", "--at", "80,0", *SMALL], "lies outside"),
        (["similarity", "hog", "1.jpg", "2.jpg", "--at", "4,4", "--facet", "keys"], "not by keys"),
    ],
)
def test_bad_input_is_one_sentence(vpr, words, message):
    status, _, errors = vpr(*words)
    assert status == 1 and message in errors and "Traceback" not in errors


def test_without_matplotlib_the_command_names_what_installs_it(vpr, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert installing("report") in vpr("heads", "rerankvpr", "1.jpg")[2]
    assert vpr("matches", "rerankvpr", "1.jpg", "1.jpg", *SMALL)[0] == 0  # lines and points need none


def test_sheets_and_confidence(vpr, tmp_path):
    for seed in (1, 2):
        answers(300, seed=seed).save(tmp_path / f"{seed}.run.json")
    fit_confidence([answers(300, seed=1)]).save(tmp_path / "sure.json")
    assert vpr("sheet", "1.run.json", "--rows", "2", "--top", "2", "--only-wrong")[0] == 0
    assert vpr("confidence", "sure.json", "2.run.json", "--out", "c.pdf")[0] == 0
    assert Image.open(tmp_path / "sheet.png").width > 500 and (tmp_path / "c.pdf").read_bytes()[:4] == b"%PDF"
    assert "exists already" in vpr("sheet", "1.run.json")[2]
    assert "a figure is written as" in vpr("confidence", "sure.json", "2.run.json", "--out", "c.txt")[2]
    assert "not a calibration" in vpr("confidence", "1.run.json", "2.run.json")[2]
