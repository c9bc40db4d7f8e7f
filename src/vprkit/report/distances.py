"""How far first answers are from where queries were taken."""

import numpy as np

from vprkit.evaluation.result import Result
from vprkit.report import words
from vprkit.report.groups import Group
from vprkit.report.markup import Html, element, join, table

WITHIN = (5.0, 10.0, 25.0, 50.0, 100.0, 1000.0)
"""Metres."""


def distances(group: Group) -> Html:
    """Share of all queries whose first answer lies within so many metres, where positions are known."""
    rows = [row for label, result in zip(group.labels, group.results, strict=True) if (row := _row(label, result))]
    if not rows:
        return Html("")
    header = ["Run", *(f"within {metres:g} m" for metres in WITHIN), "Median distance"]
    note = ("Per cent of all queries whose first answer was taken so near; the median is over queries where both "
            "positions are known.")  # fmt: skip
    return join([table("Distance of the first answer", header, rows), element("p", note, class_="note")])


def _row(label: str, result: Result) -> list[str]:
    known = np.array([row.metres for row in result.rankings if row.metres is not None and np.isfinite(row.metres)])
    if not len(known):
        return []
    shares = (words.number(100 * float((known <= metres).sum()) / len(result.rankings)) for metres in WITHIN)
    return [label, *shares, words.metres(float(np.median(known)))]
