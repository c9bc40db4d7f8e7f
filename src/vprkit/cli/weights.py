"""`vpr weights list|fetch|inspect|convert`."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from vprkit.cli import options as shared
from vprkit.cli.progress import bar

app = typer.Typer(no_args_is_help=True, help="Weights files: list, fetch, inspect, convert.", rich_markup_mode=None)


@app.command("list")
def released(as_json: shared.Json = False) -> None:
    """List the authors' files: method, licence, where from, and whether they are here."""
    from vprkit.errors import NotAvailable
    from vprkit.registry import declarations
    from vprkit.weights import directory, find

    rows = []
    for declaration in declarations():
        for file in declaration.released:
            try:
                here: str | None = str(find(file.file))
            except NotAvailable:
                here = None
            rows.append({"method": file.variant or declaration.name, **dataclasses.asdict(file), "here": here})
    if as_json:
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    typer.echo(f"weights folder: {directory()}")
    for row in rows:
        typer.echo(
            f"{row['method']:<24} {row['file']:<36} {row['licence']:<14} {'here' if row['here'] else row['url']}"
        )


@app.command("fetch")
def fetch(
    method: Annotated[str, typer.Argument(help="Method or variant.")],
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """Download a method's weights into the weights folder, with checksum where one is known."""
    from vprkit.loading import fetch_weights, released_files

    for file in released_files(method):
        typer.echo(f"{file.file}: licence {file.licence}", err=True)
    with bar("fetching", quiet, unit="B") as progress:
        for path in fetch_weights(method, overwrite=overwrite, progress=progress):
            typer.echo(str(path))


@app.command("inspect")
def inspect(
    file: Annotated[str, typer.Argument(help="Weights file, by path or by name in the weights folder.")],
    as_json: shared.Json = False,
) -> None:
    """Say what a weights file is, without running anything in it."""
    from vprkit.weights import inspect as run

    facts = dataclasses.asdict(run(file))
    if facts["header"] is not None:
        facts["header"]["preprocessing"] = facts["header"]["preprocessing"] and dict(facts["header"]["preprocessing"])
    if as_json:
        typer.echo(json.dumps(facts, default=str, ensure_ascii=False))
        return
    for key, value in facts.items():
        if value not in (None, (), {}):
            typer.echo(f"{key:<11} {', '.join(map(str, value)) if isinstance(value, (tuple, list)) else value}")


@app.command("convert")
def convert(
    source: Annotated[str, typer.Argument(help="Weights file of the original authors.")],
    target: Annotated[Path, typer.Argument(help="File to write, ending in .safetensors.")],
    method: Annotated[str | None, typer.Option(help="Needed where several methods recognise the file.")] = None,
    overwrite: shared.Overwrite = False,
) -> None:
    """Write a weights file as safetensors with vprkit's header, checked key by key."""
    from vprkit.weights import convert as run

    typer.echo(str(run(source, target, method=method, overwrite=overwrite)))
