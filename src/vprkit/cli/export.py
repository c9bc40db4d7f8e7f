"""`vpr export pairs`: what other programs go on with."""

from pathlib import Path
from typing import Annotated

import typer

from vprkit.cli import options as shared

TOP = 20

app = typer.Typer(no_args_is_help=True, help="Files for other programs.", rich_markup_mode=None)


@app.callback()
def export() -> None:
    """Files for other programs."""


@app.command("pairs")
def pairs(
    source: Annotated[Path, typer.Argument(help="Saved run, JSON of `vpr locate`, or (with --near) a map.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Text file to write.")] = Path("pairs.txt"),
    top: Annotated[int | None, typer.Option(help=f"Database images of each query (default {TOP}).")] = None,
    prefix_query: Annotated[str, typer.Option(help="Folder of the queries below the folder of all images.")] = "",
    prefix_database: Annotated[str, typer.Option(help="Folder of the database below it.")] = "",
    query_root: Annotated[Path | None, typer.Option(help="Folder that located photos are named relative to.")] = None,
    near: Annotated[float | None, typer.Option(help="Pairs of a map's own images within so many metres.")] = None,
    turn: Annotated[
        float | None, typer.Option(help="Of these, only within so many degrees of heading (where known).")
    ] = None,
    overwrite: shared.Overwrite = False,
) -> None:
    """Write pairs of images to match, as hloc and COLMAP's matches_importer read them: two names a line."""
    from vprkit.errors import ConfigError
    from vprkit.evaluation.pair_lists import Prefixes, read_pairs
    from vprkit.files import refuse_to_overwrite
    from vprkit.report.words import plural

    refuse_to_overwrite(out, overwrite)
    if top is not None and near is not None:
        raise ConfigError("--top is of queries; --near makes pairs of a map's own images")
    found = read_pairs(
        source, TOP if top is None else top, Prefixes(prefix_query, prefix_database), query_root, near, turn
    )
    found.save(out, overwrite)
    have = "has" if found.left_out == 1 else "have"
    alone = f"; {plural(found.left_out, 'image')} {have} none" if found.left_out else ""
    typer.echo(f"{plural(len(found.pairs), 'pair')}{alone}: {out}")
