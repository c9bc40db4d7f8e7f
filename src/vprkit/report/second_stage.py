"""What a second stage matched, in a report: queries that it rescued, and queries that it still answers wrongly."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from vprkit.config import from_dict
from vprkit.errors import ConfigError, ImageError, NotAvailable
from vprkit.evaluation.result import QueryResult, Result
from vprkit.method import Method
from vprkit.report import words
from vprkit.report.failures import wrong_rows
from vprkit.report.groups import Group
from vprkit.report.markup import Html, details, element, name, section
from vprkit.report.matches import draw_matches, match
from vprkit.report.pictures import data_uri
from vprkit.retrieval.confidence import comparable, stage_of
from vprkit.retrieval.map_settings import load_again

WIDTH = 640
"""Pixels of an embedded pair: about 50 kB."""

LINES = 50
"""Drawn of many matches, so that the photos can still be seen."""

Loaded = Sequence[tuple[Result, Method]]


@dataclass(frozen=True)
class Pairing:
    """A database image that a query is shown with: `kind` is right or wrong."""

    title: str
    number: int
    kind: str


def method_of(result: Result, weights: str | Path | None = None, device: str = "auto") -> Method:
    """The method that a result is of, with the second stage it had.

    Raises:
        NotAvailable: its weights are not here, or it is no method that can be loaded by name.
        ConfigError: what loads is another method than the one that was evaluated.
    """
    told = result.weights or {}
    try:
        described = {
            "name": result.method, "configuration": result.identity["configuration"],
            "preprocessing": result.identity["preprocessing"], "weights": told.get("path"),
            "adapter": told.get("adapter"),
        }  # fmt: skip
        method = load_again(described, weights, device, "auto")
        settings = stage_of(result.second_stage)
        kind, _ = settings.pop("reranker", None), settings.pop("count", None)
        if kind is not None and kind == type(method.reranker).__name__:
            method.reranker = from_dict(type(method.reranker), settings, "second_stage")
    except (KeyError, ConfigError) as error:
        raise NotAvailable(f"'{result.method}' cannot be loaded by name ({error}); its matches cannot be "
                           "drawn") from error  # fmt: skip
    mine, told_by = comparable(method.identity()), comparable(result.identity)
    if any(told_by.get(key) != value for key, value in mine.items()):
        raise ConfigError(f"the weights are not those of the result of {result.method} on {result.benchmark}; give the "
                          "file it was evaluated with by --weights")  # fmt: skip
    return method


def second_stage(group: Group, methods: Loaded, count: int) -> Html:
    """At most `count` rescued and as many wrong queries of every re-ranked run whose method is at hand."""
    parts: list[Html] = []
    for label, result in group.labelled:
        method = next((method for one, method in methods if one is result), None)
        if method is not None and result.reranked is not None:
            shown = _of_run(result, method, count)
            parts.append(details(label, shown, opened=not parts) if len(group.results) > 1 else shown)
    return section("What re-ranking matched", *parts)


def rescued_rows(result: Result) -> list[QueryResult]:
    """Queries that the first stage answers wrongly and the second rightly, in the order of the list."""
    return [row for row in result.rankings if row.first_hit == 1 and not _first_stage_right(row)]


def _first_stage_right(row: QueryResult) -> bool:
    if row.first_answer is None or row.right is None or row.first_answer not in row.ranking:
        return True  # nothing says otherwise
    return row.right[row.ranking.index(row.first_answer)]


def _of_run(result: Result, method: Method, count: int) -> Html:
    rescued, wrong = rescued_rows(result), [row for row in wrong_rows(result) if row.ranking and row.truth is not None]
    spoiled = sum(row.first_hit != 1 and row.first_answer is not None and _first_stage_right(row) for row in wrong)
    told = (f"{words.plural(len(rescued), 'query', 'queries')} of {result.queries:,} rescued by the second stage, "
            f"{spoiled:,} spoiled; lines join what it matches, at most {LINES} are drawn. Scores are the run's, which "
            "may have kept local features rounded.")  # fmt: skip
    try:
        cards = [_card(row, result, method, _rescue(row)) for row in rescued[:count]]
        cards += [_card(row, result, method, _mistake(row)) for row in wrong[:count]]
    except NotAvailable as error:
        return element("p", f"{error}.", class_="note")
    return element("div", element("p", told, class_="note"), element("div", *cards, class_="cards"))


def _rescue(row: QueryResult) -> list[Pairing]:
    assert row.first_answer is not None, "it is rescued"
    return [Pairing("✓ Answer", row.ranking[0], "right"), Pairing("✕ First stage", row.first_answer, "wrong")]


def _mistake(row: QueryResult) -> list[Pairing]:
    assert row.truth is not None, "the caller has looked"
    return [Pairing("✕ Answer", row.ranking[0], "wrong"), Pairing("✓ Truth", row.truth, "right")]


def _card(row: QueryResult, result: Result, method: Method, pairings: Sequence[Pairing]) -> Html:
    state = "rescued" if row.first_hit == 1 else "answered wrongly"
    header = element("header", name(row.name, 56), element("span", state, class_="muted"))
    figures = [_pair(row, result, method, one) for one in pairings]
    return element("article", header, element("div", *figures, class_="pairs"), class_="card")


def _pair(row: QueryResult, result: Result, method: Method, shown: Pairing) -> Html:
    image = result.images[shown.number]
    photos = Path(result.queries_root) / row.name, Path(result.database_root) / image.name
    missing = [photo.name for photo in photos if not photo.is_file()]
    written = name(image.name, 40, short=PurePath(image.name).name)
    if missing:
        return _without_picture(f"{missing[0]} is no longer there", shown, written)
    try:
        found = match(method, *photos)
        drawn = draw_matches(*photos, found, LINES, scale=max(1, round(WIDTH / (2 * found.size[1]))))
    except ImageError as error:  # a report must not fail on a photo
        return _without_picture(str(error), shown, written)
    drawn.thumbnail((WIDTH, WIDTH))
    score = words.score(_score(row, shown.number))
    note = f" {words.plural(len(found.first), 'match', 'matches')}, score {score} "
    picture = element("img", src=data_uri(drawn), alt=f"Matches of {row.name} with {image.name}", width=drawn.width,
                      height=drawn.height, loading="lazy")  # fmt: skip
    return element(
        "figure", picture, element("figcaption", element("b", shown.title), note, written), class_=shown.kind
    )


def _without_picture(why: str, shown: Pairing, written: Html) -> Html:
    empty = element("div", element("span", why), class_="missing")
    return element("figure", empty, element("figcaption", element("b", shown.title), " ", written), class_=shown.kind)


def _score(row: QueryResult, number: int) -> float | None:
    place = row.ranking.index(number) if number in row.ranking else len(row.scores)
    return row.scores[place] if place < len(row.scores) else None
