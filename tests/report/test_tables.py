"""Tables for papers."""

from pathlib import Path

import pytest

from tests.report.results import result, unlabelled
from vprkit.errors import DataError
from vprkit.evaluation.result import Result
from vprkit.report import words
from vprkit.report.tables import latex_table, markdown_table


def runs(root: Path) -> list[Result]:
    return [result(root), result(root, method="salad_x", recalls={1: 80.04, 3: 75.0}), unlabelled(root),
            result(root, benchmark="city|50%", recalls={1: 12.5, 5: float("nan")})]  # fmt: skip


def test_markdown(tmp_path: Path) -> None:
    assert markdown_table(runs(tmp_path)).splitlines() == [
        "| Method | town R@1 | town R@2 | town R@3 | city\\|50% R@1 | city\\|50% R@5 |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| hog | 25.0 | **50.0** | **75.0** | 12.5 | – |",
        "| salad\\_x | **80.0** | – | **75.0** | – | – |",
    ]


def test_latex(tmp_path: Path) -> None:
    lines = latex_table(runs(tmp_path)).splitlines()
    assert lines[0] == r"\begin{tabular}{lrrrrr}" and lines[-1] == r"\end{tabular}"
    assert r"& \multicolumn{3}{c}{town} & \multicolumn{2}{c}{city\textbar{}50\%} \\" in lines
    assert r"\cmidrule(lr){2-4} \cmidrule(lr){5-6}" in lines
    assert r"salad\_x & \textbf{80.0} & -- & \textbf{75.0} & -- & -- \\" in lines


def test_without_recalls_there_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of the results"):
        markdown_table([unlabelled(tmp_path)])


@pytest.mark.parametrize(("value", "shown"), [
    (None, "–"), (float("nan"), "–"), (3.04, "3.0 m"), (99.97, "100 m"), (999.4, "999 m"), (1234.0, "1.2 km"),
    (8_787_400.0, "8,787 km")])  # fmt: skip
def test_metres(value: float | None, shown: str) -> None:
    assert words.metres(value) == shown


@pytest.mark.parametrize(("value", "shown"), [
    (0.839, "0.8390"), (341.0, "341.0"), (-12345.0, "-12,345.0"), (None, "–")])  # fmt: skip
def test_scores(value: float | None, shown: str) -> None:
    assert words.score(value) == shown


def test_shortening_keeps_both_ends() -> None:
    assert words.shorten("abcdefghij", 10) == "abcdefghij" and words.shorten("abcdefghij", 5) == "ab…ij"


def test_numbers_have_no_minus_zero() -> None:
    shown = [words.number(value, sign=True) for value in (-0.04, 0.0, 0.06, -1234.56)]
    assert shown == ["0.0", "0.0", "+0.1", "-1,234.6"]
