"""Contact sheets show the photos that they say."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from tests.report.results import draw_photos, result, unlabelled
from vprkit.errors import ConfigError, DataError
from vprkit.report.figures import contact_sheet

NAMES = [f"queries/{letter}.jpg" for letter in "abcd"] + [f"database/{number}.jpg" for number in range(3)]


@pytest.fixture
def photos(tmp_path):
    draw_photos(tmp_path, NAMES)
    return tmp_path


def cells(figure, columns):
    return np.array(figure.axes).reshape(-1, columns)


def pixels(axes):
    return axes.images[0].get_array()


def test_rows_are_queries_with_predictions_and_truth(photos):
    grid = cells(contact_sheet(result(photos), rows=4, predictions=2), 4)
    assert len(grid) == 4
    titles = [[axes.get_title() for axes in row] for row in grid]
    assert titles[0][:2] == ["Query  day", "✓ #1  score 0.9000, 3.0 m"]
    assert titles[0][3].startswith("✗ #3  score 0.7500")  # no truth is needed: its place is not left empty
    assert titles[1][1].startswith("✗ #1  score 0.9500") and titles[1][3].startswith("✓ Truth")
    assert "no right image" in titles[2][3]
    shown = np.asarray(Image.fromarray(pixels(grid[1, 1])).resize((48, 36)), float)
    there = np.asarray(Image.open(photos / "database/2.jpg"), float)
    other = np.asarray(Image.open(photos / "database/1.jpg"), float)
    assert np.abs(shown - there).mean() < 0.5 * np.abs(shown - other).mean()


def test_the_worst_mistakes_come_first(photos):
    grid = cells(contact_sheet(result(photos), rows=2, predictions=1, only_wrong=True), 3)
    assert [row[0].get_xlabel() for row in grid] == ["b.jpg", "d.jpg"]  # 0.95 and 0.7, both wrong


def test_results_without_truth_or_photos_are_drawn_too(tmp_path):
    grid = cells(contact_sheet(unlabelled(tmp_path), rows=2, predictions=2), 3)
    assert [axes.texts[0].get_text() for axes in grid.ravel()] == ["picture not readable"] * 6


def test_signs_of_formulas_in_names_are_written_as_they_are(photos):
    whole = result(photos)
    rows = [dataclasses.replace(row, name=rf"queries/$\odd_{number}$.jpg", condition="$5 & $6_")
            for number, row in enumerate(whole.rankings)]  # fmt: skip
    figure = contact_sheet(dataclasses.replace(whole, rankings=rows, benchmark=r"$\town$"), rows=1, predictions=1)
    figure.savefig(io.BytesIO(), format="png", dpi=20)


def test_empty_sheets_are_refused(photos):
    with pytest.raises(DataError, match="no ground truth"):
        contact_sheet(unlabelled(photos), only_wrong=True)
    whole = result(photos)
    right = type(whole)(**{**vars(whole), "rankings": whole.rankings[:1]})
    with pytest.raises(DataError, match="no wrong answer to show"):
        contact_sheet(right, only_wrong=True)
    with pytest.raises(ConfigError, match="at least 1 query"):
        contact_sheet(whole, rows=0)
