import numpy as np
import pytest
import torch
from PIL import Image

import vprkit
from tests.conftest import picture
from vprkit.errors import NotAvailable
from vprkit.features import Features, LocalFeatures
from vprkit.report.matches import Pair, consistent, draw_attention, draw_matches, match
from vprkit.rerank.mutual_matches import MutualMatches
from vprkit.rerank.reranker import Shortlist

NONE = Shortlist(np.zeros(0, np.int64), lambda numbers: Features(torch.zeros(0, 1)), 1)


@pytest.fixture(scope="module")
def selavpr():
    return vprkit.load_method("selavpr", "random:3", size="S", depth=1, table_size=56, local_mid_channels=16,
                              local_channels=8, resize=56, device="cpu")  # fmt: skip


def test_a_photo_matches_itself_cell_by_cell(selavpr):
    photo = picture(1, (56, 56), noise=30)
    pair = match(selavpr, photo, photo)
    assert len(pair.first) > 100 and np.array_equal(pair.first, pair.second) and pair.size == (56, 56)
    assert pair.first.min() == 1 and pair.first.max() == 55
    sheet = draw_matches(photo, photo, pair, most=20)
    assert sheet.size == (2 * 56 + 8, 56)
    plain = draw_matches(photo, photo, Pair(np.zeros((0, 2), int), np.zeros((0, 2), int), (56, 56)))
    assert (np.asarray(sheet) != np.asarray(plain)).any(2).sum() > 56


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_matches_are_drawn_too(selavpr, monkeypatch, count):
    cells = torch.tensor([[3, 5], [7, 2]])[:count]
    monkeypatch.setattr(type(selavpr.reranker), "matches", lambda self, query, other: cells)
    photo = picture(1, (56, 56), noise=30)
    pair = match(selavpr, photo, photo)
    assert pair.first.shape == pair.second.shape == (count, 2)
    assert draw_matches(photo, photo, pair).size == (2 * 56 + 8, 56)


def test_matches_are_those_that_are_counted():
    generator = torch.Generator().manual_seed(0)
    query, other = (
        Features(
            torch.zeros(1, 1), LocalFeatures(torch.randn(1, 12, 4, generator=generator), torch.tensor([12]), (3, 4))
        )
        for _ in range(2)
    )
    found = MutualMatches().matches(query, other)
    assert len(found) == MutualMatches(single_is_none=False).begin(query, NONE).score(other).item()
    similar = query.local.tokens[0] @ other.local.tokens[0].T
    for mine, theirs in found.tolist():
        assert similar[mine].argmax() == theirs and similar[:, theirs].argmax() == mine


def test_attention_is_warm_where_the_map_is_high(selavpr, monkeypatch):
    monkeypatch.setattr(
        selavpr.network, "heat_map", lambda images: torch.tensor([[[0.0, 1.0], [0.0, 1.0]]]), raising=False
    )
    drawn = np.asarray(draw_attention(selavpr, np.full((40, 60, 3), 90, np.uint8)), int)
    assert drawn.shape == (40, 60, 3)
    assert drawn[20, 2, 2] > drawn[20, 2, 0] and drawn[20, -2, 0] > drawn[20, -2, 2]


def test_methods_that_cannot_say_so(hog):
    with pytest.raises(NotAvailable, match="'hog' has no matches to show"):
        match(hog, picture(1), picture(2))
    with pytest.raises(NotAvailable, match="'hog' has no attention to show"):
        draw_attention(hog, picture(1))


def test_the_commands_write_pictures(tmp_path, monkeypatch, capsys):
    from vprkit.cli import main

    photo = tmp_path / "a.jpg"
    Image.fromarray(picture(1)).save(photo)
    small = [
        "-w",
        "random:3",
        "--resize",
        "56",
        *[part for key in ("size=S", "depth=1", "table_size=56") for part in ("-s", key)],
    ]
    for words in (["matches", "selavpr", photo, photo], ["attention", "selavpr", photo]):
        out = tmp_path / f"{words[0]}.png"
        monkeypatch.setattr("sys.argv", ["vpr", "show", *map(str, words), "--out", str(out), *small])
        with pytest.raises(SystemExit) as stop:
            main()
        assert not stop.value.code and Image.open(out).size[0] > 50
    assert " matches, 100 drawn: " in capsys.readouterr().out


def test_outliers_that_fit_no_common_geometry_are_dropped():
    generator = np.random.default_rng(5)
    scene = np.c_[generator.uniform(-2, 2, (60, 2)), generator.uniform(4, 9, 60)]
    moved = scene @ np.array([[0.99, 0, 0.1], [0, 1, 0], [-0.1, 0, 0.99]]) + (0.8, 0.1, 0.2)
    first, second = (112 + 100 * points[:, :2] / points[:, 2:] for points in (scene, moved))
    wrong = generator.choice(60, 15, replace=False)
    second[wrong] = generator.uniform(0, 224, (15, 2))
    kept = consistent(Pair(first, second, (224, 224)), pixels=2.0)
    right = np.setdiff1d(np.arange(60), wrong)
    survived = {tuple(point) for point in kept.first.tolist()}
    assert sum(tuple(first[i].tolist()) in survived for i in right) >= 43
    assert sum(tuple(first[i].tolist()) in survived for i in wrong) <= 4  # near the line by chance
    assert len(consistent(Pair(first[:7], second[:7], (224, 224))).first) == 0
