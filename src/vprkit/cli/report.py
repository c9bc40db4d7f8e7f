"""`vpr report`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vprkit.cli import options as shared

if TYPE_CHECKING:
    from vprkit.evaluation.result import Result
    from vprkit.method import Method


def report(
    runs: Annotated[list[Path], typer.Argument(help="Results that `vpr evaluate --save` wrote, or folders of them.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File to write: .html, or a table of recalls as .md or .tex.")
    ] = Path("report.html"),
    confidence: Annotated[
        list[Path] | None, typer.Option(help="Calibration (`vpr confidence fit`): adds reliability, rejecting; repeat.")
    ] = None,
    matches: Annotated[
        int, typer.Option(min=0, help="Draw what re-ranking matched in so many rescued and so many wrong queries.")
    ] = 0,
    weights: Annotated[
        str | None, typer.Option("--weights", "-w", help="Weights of the re-ranked run, if they have moved.")
    ] = None,
    device: shared.Device = "auto",
    tiles: Annotated[
        str | None, typer.Option(help="Address of street tiles with {z}, {x}, {y}: fetched when the page is read.")
    ] = None,
    tiles_credit: Annotated[
        str | None,
        typer.Option(help="Whom the tiles' server wants to be named (default: OpenStreetMap's contributors)."),
    ] = None,
    overwrite: shared.Overwrite = False,
) -> None:
    """Write one self-contained HTML file (recalls, curves, confidence, failures, map), or a table for a paper."""
    from vprkit.errors import ConfigError, DataError
    from vprkit.evaluation.result import Result
    from vprkit.files import refuse_to_overwrite

    asked = [option for option, given in (("--confidence", confidence), ("--matches", matches), ("--tiles", tiles))
             if given]  # fmt: skip
    table = _tables().get(out.suffix.lower())
    if table is None and out.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"{out}: a report is written as .html, a table of it as .md or .tex, not as '{out.suffix}'")
    if table is not None and asked:
        raise ConfigError(f"{', '.join(asked)} is for HTML reports; a table holds recalls alone")
    if weights is not None and not matches:
        raise ConfigError("--weights is for drawing matches; say how many with --matches")
    if tiles_credit is not None and tiles is None:
        raise ConfigError("--tiles-credit names whose tiles they are; give their address with --tiles")
    refuse_to_overwrite(out, overwrite)
    files = [file for run in runs for file in (sorted(run.glob("*.json")) if run.is_dir() else [run])]
    if not files:
        told = ", ".join(map(str, runs))
        raise DataError(f"{told}: holds no results; write some with `vpr evaluate --save FILE.json`")
    results = [Result.load(file) for file in files]
    if table is not None:
        from vprkit.files import write_atomically

        write_atomically(out, table(results))
    else:
        from vprkit.report.html import write_report
        from vprkit.report.tiles import CREDIT, Tiles
        from vprkit.retrieval.confidence import Confidence

        write_report(
            results, out, overwrite=overwrite, matches=matches,
            confidence=[Confidence.load(file) for file in confidence or []],
            methods=_methods(results, weights, device) if matches else (),
            tiles=None if tiles is None else Tiles(tiles, tiles_credit or CREDIT),
        )  # fmt: skip
    typer.echo(str(out))


def _tables() -> "dict[str, Callable[[Sequence[Result]], str]]":
    """What is written by a file's ending, beside HTML."""
    from vprkit.report.tables import latex_table, markdown_table

    return {".md": markdown_table, ".tex": latex_table}


def _methods(results: "Sequence[Result]", weights: str | None, device: str) -> "list[tuple[Result, Method]]":
    """The methods of the re-ranked results; one that cannot be had is said, and its matches are left out."""
    from vprkit.errors import ConfigError, NotAvailable
    from vprkit.report.second_stage import method_of

    reranked = [result for result in results if result.reranked is not None and result.labelled]
    if not reranked:
        raise ConfigError("--matches shows what re-ranking matched, and no run was re-ranked (vpr evaluate --rerank)")
    if weights is not None and len(reranked) > 1:
        raise ConfigError(f"--weights is for one re-ranked run, here are {len(reranked)}; report them one by one")
    found = []
    for result in reranked:
        try:
            found.append((result, method_of(result, weights, device)))
        except NotAvailable as error:
            typer.echo(f"note: without matches of {result.method}: {error}", err=True)
    return found
