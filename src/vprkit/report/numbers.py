"""The numbers of a report: what was evaluated, recalls, conditions, timings, comparisons, and what made them."""

import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence

from vprkit.errors import DataError
from vprkit.evaluation.comparison import Comparison, compare
from vprkit.evaluation.result import Result
from vprkit.report import words
from vprkit.report.groups import Group
from vprkit.report.markup import Html, details, element, join, section, table, text

TILES = 4
"""More runs than this have no large numbers: the table serves better."""

PAIRS = 6
"""More pairs of runs than this are not all compared: then each is compared with the first."""

NOTICES = 6
"""That many notices show at once; all are at the end."""


def overview(group: Group) -> Html:
    """What was evaluated on what, the main number of each run, and what a reader should know first."""
    first = group.results[0]
    facts: list[tuple[str, object]] = [
        ("Methods" if len(group.labels) > 1 else "Method", ", ".join(group.labels)),
        ("Queries", _queries(first)),
        ("Database", words.plural(first.database, "image")),
        ("Positives", first.rule if first.labelled else "not known: there is no ground truth, so no recalls"),
        ("Protocol", ", ".join(_distinct(result.protocol for result in group.results))),
        ("Lists", ", ".join(f"{role} {value[:12]}" for role, value in first.list_hashes.items())),
        ("Computed on", ", ".join(_distinct(_machine(result) for result in group.results))),
    ]
    shown = (element("div", element("dt", name), element("dd", value)) for name, value in facts if value)
    listed = element("dl", *shown, class_="facts")
    tiles = [_tile(label, result) for label, result in group.labelled] if len(group.results) <= TILES else []
    return join([element("div", *tiles, class_="tiles") if tiles else "", listed, _notices(group)])


def recalls(group: Group) -> Html:
    """Recall@K of every run, with intervals."""
    if not group.labelled:
        return Html("")
    ks = sorted({k for _, result in group.labelled for k in result.recalls})
    best = {k: _best([result.recalls.get(k) for _, result in group.labelled]) for k in ks}
    rows = []
    for label, result in group.labelled:
        extra = [words.number(result.mean_average_precision)]
        rows.append([label, *(_recall_cell(result, k, best[k]) for k in ks), *extra])
        if result.queries_without_positives:
            answerable = (words.number(result.recalls_answerable.get(k)) for k in ks)
            rows.append([element("span", f"{label}, answerable only", class_="muted"), *answerable, ""])
    note = "Per cent of all queries with a right image among the first K; below it the 95 % bootstrap interval."
    if any(result.queries_without_positives for _, result in group.labelled):
        note += " Queries without a right image in the database count as misses, but not in rows named answerable only."
    return section(
        "Recall",
        table("Recall@K in per cent", ["Run", *(f"R@{k}" for k in ks), "mAP"], rows),
        element("p", note, class_="note"),
    )


def conditions(group: Group) -> Html:
    """Recall per condition of the queries."""
    return _parts(group, "condition", [result.conditions for result in group.results], "condition of the queries")


def areas(group: Group) -> Html:
    """Recall and mean average precision per city."""
    return _parts(group, "city", [result.areas for result in group.results], "city")


def _parts(group: Group, what: str, tables: Sequence[Mapping[str, Mapping[str, float]]], by: str) -> Html:
    """One row per part of the queries and run."""
    named = list(dict.fromkeys(name for parts in tables for name in parts))
    keys = [key for key in dict.fromkeys(key for parts in tables for row in parts.values() for key in row)
            if key != "queries"]  # fmt: skip
    rows = [
        [name, *_only_if(group, label), words.count(row.get("queries")), *(words.number(row.get(key)) for key in keys)]
        for name in named
        for label, parts in zip(group.labels, tables, strict=True)
        if (row := parts.get(name)) is not None
    ]
    if not rows:
        return Html("")
    header = [what.capitalize(), *_only_if(group, "Run"), "Queries", *keys]
    left = 1 + len(_only_if(group, "Run"))
    return section(f"By {what}", table(f"Recall@K in per cent, by {by}", header, rows, left=left))


def timings(group: Group) -> Html:
    """What each stage cost."""
    runs = list(zip(group.labels, group.results, strict=True))
    rows = [
        [
            stage,
            *_only_if(group, label),
            words.count(row.get("items")),
            words.number(row.get("median_ms"), 2),
            words.number(row.get("p95_ms"), 2),
            words.number(row.get("seconds"), 2),
        ]
        for stage in dict.fromkeys(stage for result in group.results for stage in result.timings)
        for label, result in runs
        if (row := result.timings.get(stage)) is not None
    ]
    if not rows:
        return Html("")
    header = ["Stage", *_only_if(group, "Run"), "Items", "Median ms", "p95 ms", "Total s"]
    note = "Milliseconds per image or query. Seconds of threads that work side by side are added up."
    costs = table("Time per stage", header, rows, left=len(header) - 4)
    return section("Time", costs, element("p", note, class_="note"))


def comparisons(group: Group) -> Html:
    """Runs compared query by query, where they saw the same images."""
    runs = list(zip(group.labels, group.results, strict=True))
    pairs = list(itertools.combinations(runs, 2))
    too_many = len(pairs) > PAIRS
    if too_many:
        pairs = [(runs[0], other) for other in runs[1:]]
    found = [
        (f"{other_name} against {name}", comparison)
        for (name, one), (other_name, other) in pairs
        if (comparison := _compared(one, other)) is not None
    ]
    if not found:
        return Html("")
    note = (
        "The difference is in percentage points, first named minus second, with its 95 % interval over queries "
        "resampled in pairs. Gained and lost are queries that only the first, or only the second named answers. "
        "p is that of an exact McNemar test: how often chance would part two equally good methods so far."
    )
    note += " Of so many runs each is compared with the first." if too_many else ""
    return section(
        "Comparison",
        *(_comparison_table(title, comparison) for title, comparison in found),
        element("p", note, class_="note"),
    )


def origin(group: Group) -> Html:
    """Configuration, identity, weights, versions, lists of images and notices of every run, to unfold."""
    parts = [_origin_of(label, result) for label, result in zip(group.labels, group.results, strict=True)]
    return section("How it was made", element("div", *parts, class_="origin"))


def _origin_of(label: str, result: Result) -> Html:
    facts: list[tuple[str, object]] = [("Method", result.method), ("Benchmark", result.benchmark)]
    facts += [("Positives", result.rule)]
    facts += [("Protocol", result.protocol)] if result.protocol else []
    facts += [(f"Weights: {key}", value) for key, value in (result.weights or {"file": "none"}).items() if value]
    facts += [(f"{role.capitalize()} list, SHA-256", value) for role, value in result.list_hashes.items()]
    facts += [("Database folder", result.database_root), ("Queries folder", result.queries_root)]
    facts += [("Evaluated at", result.created)] if result.created else []
    facts += [(f"Environment: {key}", value) for key, value in result.environment.items()]
    identity = element("pre", json.dumps(result.identity, indent=2, ensure_ascii=False, default=str), tabindex="0")
    listed = element("ul", *(element("li", notice) for notice in result.notices))
    notices = listed if result.notices else element("p", "none")
    return details(
        f"{label}: configuration, weights, versions, notices",
        table("Origin", ["What", "Value"], facts, left=2),
        element("h4", "Identity"),
        identity,
        element("h4", "Notices"),
        notices,
    )


def _only_if(group: Group, cell: str) -> list[str]:
    """A cell that names the run, where there are several."""
    return [cell] if len(group.results) > 1 else []


def _queries(result: Result) -> str:
    without = result.queries_without_positives
    return words.plural(result.queries, "query", "queries") + (
        f", {without:,} of them without a right image in the database" if without else ""
    )


def _machine(result: Result) -> str | None:
    known = [str(result.environment[key]) for key in ("device", "precision") if result.environment.get(key)]
    return " ".join(known) or None


def _tile(label: str, result: Result) -> Html:
    k = min(result.recalls)
    low, high = result.intervals.get(k, (math.nan, math.nan))
    return element(
        "div",
        element("span", label, class_="tile-name"),
        element("span", words.number(result.recalls[k]), element("small", " %"), class_="tile-number"),
        element("span", f"R@{k}, 95 % interval {words.number(low)} to {words.number(high)}", class_="muted"),
        class_="tile",
    )


def _notices(group: Group) -> Html:
    found = _distinct(notice for result in group.results for notice in result.notices)
    if not found:
        return Html("")
    more = [f"and {len(found) - NOTICES} more, at the end of this page"] if len(found) > NOTICES else []
    return element("ul", *(element("li", notice) for notice in [*found[:NOTICES], *more]), class_="notices")


def _recall_cell(result: Result, k: int, best: float | None) -> Html:
    value = result.recalls.get(k)
    low, high = result.intervals.get(k, (math.nan, math.nan))
    interval = element("small", f"{words.number(low)} – {words.number(high)}") if math.isfinite(low) else ""
    is_best = best is not None and value is not None and round(value, 1) == best
    shown = element("strong", words.number(value)) if is_best else text(words.number(value))
    return join([shown, interval])


def _best(values: Sequence[float | None]) -> float | None:
    """The highest of several as printed, None where there is nothing to choose from."""
    known = [round(value, 1) for value in values if value is not None and math.isfinite(value)]
    return max(known) if len(values) > 1 and known else None


def _compared(one: Result, other: Result) -> Comparison | None:
    if not one.rankings or len(one.rankings) != len(other.rankings):
        return None
    try:
        return compare(one, other)
    except DataError:  # other images, another ground truth, or none: nothing to compare
        return None


def _comparison_table(title: str, comparison: Comparison) -> Html:
    rows = [
        [
            f"R@{d.k}",
            words.number(d.points, sign=True),
            f"{words.number(d.interval[0], sign=True)} to {words.number(d.interval[1], sign=True)}",
            d.only_second,
            d.only_first,
            "< 0.001" if d.p_value < 0.001 else words.number(d.p_value, 3),
        ]
        for d in comparison.differences
    ]
    header = ["", "Difference", "95 % interval", "Gained", "Lost", "p"]
    return join([element("h4", title), table(f"Paired comparison, {title}", header, rows)])


def _distinct(values: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))
