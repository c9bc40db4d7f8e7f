"""One self-contained HTML file of results: styles, drawings and pictures inside, no script, no network."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import vprkit
from vprkit.errors import DataError, VprError
from vprkit.evaluation.result import Result
from vprkit.files import refuse_to_overwrite, write_atomically
from vprkit.report import numbers, words
from vprkit.report.charts import curves
from vprkit.report.confidence import confidence as confidence_of
from vprkit.report.failures import failures as worst
from vprkit.report.groups import Group, grouped
from vprkit.report.maps import maps
from vprkit.report.markup import Html, element, join, section
from vprkit.report.second_stage import Loaded, second_stage
from vprkit.report.tiles import Tiles
from vprkit.retrieval.confidence import Confidence

FAILURES = 24
MATCHES = 4
PICTURED = 96
"""Many runs share so many pictured queries, so that the file stays one that can be mailed."""

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Nothing is fetched and nothing runs, even if markup should ever slip through."""


def write_report(
    results: Sequence[Result],
    path: str | Path,
    *,
    overwrite: bool = False,
    failures: int = FAILURES,
    confidence: Sequence[Confidence] = (),
    methods: Loaded = (),
    matches: int = MATCHES,
    tiles: Tiles | None = None,
) -> Path:
    """Write results as one HTML file that needs nothing else; runs on the same benchmark stand side by side.

    Args:
        results: at least one.
        path: the file; its folder is made.
        overwrite: replace the file where it exists.
        failures: mistakes shown with pictures, per run; fewer where there are many runs.
        confidence: calibrations, each for the runs that it fits: adds reliability and reject curve.
        methods: results with their methods, loaded (`vprkit.report.second_stage.method_of`): adds what a second stage
            matched in queries that it rescued and that it answers wrongly.
        matches: how many of each.
        tiles: a server of street tiles; only with one does a browser fetch anything, and only from there.

    Returns:
        The path.

    Raises:
        VprError: the file exists or cannot be written.
    """
    path = Path(path)
    if not results:
        raise DataError("a report needs at least one result")
    refuse_to_overwrite(path, overwrite)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VprError(f"{path.parent}: this folder cannot be made ({error.strerror or error})") from error
    extras = _Extras(min(failures, max(1, PICTURED // len(results))), confidence, methods, matches, tiles)
    write_atomically(path, _page(grouped(results), extras))
    return path


@dataclass(frozen=True)
class _Extras:
    """What a page shows beside numbers: arguments of `write_report`."""

    failures: int
    confidence: Sequence[Confidence]
    methods: Loaded
    matches: int
    tiles: Tiles | None

    @property
    def policy(self) -> str:
        return POLICY if self.tiles is None else POLICY.replace("img-src data:", f"img-src data: {self.tiles.origin}")


def _page(groups: Sequence[Group], extras: _Extras) -> str:
    title = "Place recognition: " + ", ".join(dict.fromkeys(group.title for group in groups))
    runs = sum(len(group.results) for group in groups)
    style = (files("vprkit.report") / "report.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=extras.policy),
        element("meta", name="color-scheme", content="light dark"),
        element("title", words.shorten(title, 120)),
        element("style", Html(style)),
    )
    subtitle = f"{words.plural(runs, 'run')} on {words.plural(len(groups), 'benchmark')}"
    header = element(
        "header",
        element("h1", "Place recognition report"),
        element("p", subtitle, class_="muted"),
        _contents(groups),
        class_="top",
    )
    footer = element("footer", f"Written by vprkit {vprkit.__version__}.", class_="muted")
    benchmarks = (_benchmark(group, i, extras) for i, group in enumerate(groups))
    body = element("body", element("main", header, *benchmarks, footer))
    return "<!doctype html>\n" + element("html", head, body, lang="en") + "\n"


def _contents(groups: Sequence[Group]) -> Html:
    if len(groups) < 2:
        return Html("")
    links = (element("li", element("a", group.title, href=f"#set-{i}")) for i, group in enumerate(groups))
    return element("nav", element("ul", *links), aria_label="Benchmarks")


def _benchmark(group: Group, number: int, extras: _Extras) -> Html:
    parts = (
        numbers.overview(group),
        numbers.recalls(group),
        curves(group),
        confidence_of(group, extras.confidence),
        numbers.comparisons(group),
        numbers.areas(group),
        numbers.conditions(group),
        numbers.timings(group),
        maps(group, extras.tiles),
        worst(group, extras.failures),
        second_stage(group, extras.methods, extras.matches),
        numbers.origin(group),
    )
    return element("div", section(group.title, join(parts), level=2), id=f"set-{number}", class_="benchmark")
