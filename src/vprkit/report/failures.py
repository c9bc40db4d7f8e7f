"""The worst mistakes of a run with their pictures: those that it was surest of come first."""

import math
from collections.abc import Sequence
from pathlib import Path, PurePath

from vprkit.data import geo
from vprkit.evaluation.result import QueryResult, Result
from vprkit.report import words
from vprkit.report.groups import Group
from vprkit.report.markup import Html, details, element, name, section, text
from vprkit.report.pictures import data_uri, picture

BOX = (320, 240)
"""Pixels of an embedded picture: sharp at the size shown, about 15 kB."""

ANSWERS = 3
"""An unlabelled query shows so many of its answers."""


def failures(group: Group, count: int) -> Html:
    """At most `count` wrongly answered queries of each run (unlabelled: the first queries)."""
    shown = [(label, _of_run(result, count)) for label, result in zip(group.labels, group.results, strict=True)]
    known = [(label, part) for label, part in shown if part]
    if len(group.results) == 1:
        parts = [part for _, part in known]
    else:
        parts = [details(label, part, opened=i == 0) for i, (label, part) in enumerate(known)]
    labelled = any(result.labelled for result in group.results)
    return section("Worst mistakes" if labelled else "Answers", *parts)


def wrong_rows(result: Result) -> list[QueryResult]:
    """Wrongly answered queries, the highest score of an answer first; those without a score last."""
    wrong = [row for row in result.rankings if row.first_hit != 1]
    return sorted(wrong, key=lambda row: -_top_score(row))


def _top_score(row: QueryResult) -> float:
    return row.scores[0] if row.scores and math.isfinite(row.scores[0]) else -math.inf


def _of_run(result: Result, count: int) -> Html:
    if count <= 0:
        return Html("")
    if not result.labelled:
        rows = result.rankings
        whole = words.plural(len(rows), "query", "queries")
        note = f"The first {min(count, len(rows))} of {whole}; nothing says which answers are right."
        cards = [_card(row, result, _answers(row, result)) for row in rows[:count]]
    else:
        rows = wrong_rows(result)
        scored = " The highest scores come first: of these it was surest." if any(row.scores for row in rows) else ""
        whole = words.plural(len(rows), "wrongly answered query", "wrongly answered queries")
        note = f"{min(count, len(rows))} of {whole}.{scored}"
        cards = [_card(row, result, _answer_and_truth(row, result)) for row in rows[:count]]
    if not rows:
        return element("p", "Every query is answered rightly." if result.rankings else "There are no queries.")
    return element("div", element("p", note, class_="note"), element("div", *cards, class_="cards"))


def _card(row: QueryResult, result: Result, shown: Sequence[Html]) -> Html:
    query = _query(row, result)
    header = element("header", name(row.name, 56), element("span", _outcome(row, result.labelled), class_="muted"))
    return element("article", header, element("div", query, *shown, class_="photos"), class_="card")


def _query(row: QueryResult, result: Result) -> Html:
    """The query's photo, or its text where that alone asked."""
    if not row.by_photo:
        return _empty(row.text or "no text")
    return _photo(Path(result.queries_root) / row.name, row.name, "Query", "plain", row.text or row.condition or "")


def _outcome(row: QueryResult, labelled: bool) -> str:
    if not row.ranking:
        return "no answer"
    parts = [f"score {words.score(row.scores[0])}"] if row.scores else []
    if row.metres is not None and math.isfinite(row.metres):
        parts.append(f"{words.metres(row.metres)} off" if labelled else f"{words.metres(row.metres)} apart")
    if labelled:
        parts.append(f"right image at rank {row.first_hit}" if row.first_hit else _never(row))
    return ", ".join(parts)


def _never(row: QueryResult) -> str:
    return "no right image exists" if row.truth is None else f"right image not among the first {len(row.ranking)}"


def _answer_and_truth(row: QueryResult, result: Result) -> list[Html]:
    answer = _database_photo(row, row.ranking[0], result, "✕ Answer", "wrong") if row.ranking else _empty("no answer")
    if row.truth is None:
        return [answer, _empty("no right image in the database")]
    return [answer, _database_photo(row, row.truth, result, "✓ Truth", "right")]


def _answers(row: QueryResult, result: Result) -> list[Html]:
    return [
        _database_photo(row, number, result, f"{rank}.", "plain", row.scores[rank - 1 : rank])
        for rank, number in enumerate(row.ranking[:ANSWERS], 1)
    ] or [_empty("no answer")]


def _database_photo(
    row: QueryResult, number: int, result: Result, title: str, kind: str, scores: Sequence[float] = ()
) -> Html:
    image = result.images.get(number)
    if image is None:
        return _empty(f"database image {number} is not in the result")
    apart = geo.metres_apart(row.position, image.position)
    known = [*(words.score(score) for score in scores), *([words.metres(apart)] if math.isfinite(apart) else [])]
    return _photo(Path(result.database_root) / image.name, image.name, title, kind, ", ".join(known))


def _photo(path: Path, whole_name: str, title: str, kind: str, note: str) -> Html:
    image = picture(path, BOX)
    if image is None:
        shown = _missing("picture not readable", f"{title}: {whole_name} (not readable)")
    else:
        shown = element(
            "img",
            src=data_uri(image),
            alt=f"{title}: {whole_name}",
            width=image.width,
            height=image.height,
            loading="lazy",
        )
    written = name(whole_name, 30, short=PurePath(whole_name).name)
    caption = element("figcaption", element("b", title), text(" " + note) if note else "", element("br"), written)
    return element("figure", shown, caption, class_=kind)


def _empty(why: str) -> Html:
    return element("figure", _missing(why, why), class_="plain")


def _missing(shown: str, alt: str) -> Html:
    return element("div", element("span", shown), class_="missing", role="img", aria_label=alt)
