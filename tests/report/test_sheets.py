"""Prediction sheets."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.report.results import draw_photos, result, unlabelled, without
from vprkit.errors import ConfigError, VprError
from vprkit.report.sheets import prediction_kind, safe_stem, save_predictions, tiles

NAMES = [f"queries/{letter}.jpg" for letter in "abcd"] + [f"database/{number}.jpg" for number in range(3)]


def has_colour(path: Path, colour: tuple[int, int, int]) -> bool:
    return bool((np.abs(np.asarray(Image.open(path)).astype(int) - colour).max(2) < 24).sum() > 500)


def test_one_sheet_per_query(tmp_path: Path) -> None:
    draw_photos(tmp_path, NAMES, (31, 90))
    assert save_predictions(result(tmp_path), tmp_path / "new" / "sheets", 2) == 4
    sheets = sorted((tmp_path / "new" / "sheets").iterdir())
    assert [path.name for path in sheets] == ["0001_a.jpg", "0002_b.jpg", "0003_c.jpg", "0004_d.jpg"]
    widths = [Image.open(path).width for path in sheets]
    assert widths[0] == 3 * 346 + 14 and widths[1:] == [4 * 346 + 14] * 3  # a wrong answer: and the truth
    assert [has_colour(path, (0, 128, 93)) for path in sheets] == [True, True, False, True]
    assert [has_colour(path, (204, 47, 29)) for path in sheets] == [True, True, True, True]


def test_only_wrong_ones(tmp_path: Path) -> None:
    draw_photos(tmp_path, NAMES)
    assert save_predictions(result(tmp_path), tmp_path / "sheets", 1, only_wrong=True) == 3
    assert sorted(path.name for path in (tmp_path / "sheets").iterdir()) == ["0002_b.jpg", "0003_c.jpg", "0004_d.jpg"]


def test_without_ground_truth_frames_are_neutral(tmp_path: Path) -> None:
    draw_photos(tmp_path, NAMES)
    assert save_predictions(unlabelled(tmp_path), tmp_path / "sheets", 3) == 4
    sheet = tmp_path / "sheets" / "0001_a.jpg"
    assert [has_colour(sheet, c) for c in ((0, 114, 178), (204, 47, 29), (0, 128, 93))] == [True, False, False]
    assert save_predictions(unlabelled(tmp_path), tmp_path / "none", 3, only_wrong=True) == 0


def test_missing_pictures_scores_and_answers_are_no_error(tmp_path: Path) -> None:
    bare = result(tmp_path, images={})
    for odd in (
        bare,
        without(bare, ranking=[], scores=[], right=[], first_hit=None),
        without(result(tmp_path), scores=[]),
    ):
        assert save_predictions(odd, tmp_path / "sheets", 20) == 4


def test_names_are_safe_and_never_meet(tmp_path: Path) -> None:
    for name, stem in (("q/../.. /x y?.jpg", "x_y"), ("..", "query"), ("a\\b:c*.png", "b_c"), ("日本.jpg", "日本"),
                       ("@1@2@.jpg", "@1@2@"), ("x" * 400, "x" * 120), ("é" * 90 + ".jpg", "é" * 60)):  # fmt: skip
        assert safe_stem(name) == stem
    same = without(result(tmp_path), name="日本/\udcff<a>.jpg")
    assert save_predictions(same, tmp_path / "sheets", 1) == 4
    assert len(list((tmp_path / "sheets").iterdir())) == 4


def test_tiles_say_rank_score_and_metres(tmp_path: Path) -> None:
    shown = tiles(result(tmp_path).rankings[1], result(tmp_path), 2)
    assert [(tile.title, tile.note, tile.kind) for tile in shown] == [
        ("Query", "night", "plain"), ("#1", "score 0.9500, 107 m", "wrong"), ("#2", "score 0.5000, 93.0 m", "wrong"),
        ("Truth", "7.0 m", "right")]  # fmt: skip


def test_what_is_known_of_each_rank(tmp_path: Path) -> None:
    row = dataclasses.replace(result(tmp_path).rankings[0], right=[False, True, True])
    assert [prediction_kind(row, rank, True) for rank in (1, 2, 3)] == ["wrong", "right", "right"]
    assert prediction_kind(row, 1, False) == "plain"


def test_refuses_what_cannot_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        save_predictions(result(tmp_path), tmp_path / "sheets", 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(VprError, match="cannot be made"):
        save_predictions(result(tmp_path), tmp_path / "file", 1)
