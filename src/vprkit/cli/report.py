"""`vpr report`."""

from pathlib import Path
from typing import Annotated

import typer

from vprkit.cli import options as shared


def report(
    runs: Annotated[list[Path], typer.Argument(help="Results that `vpr evaluate --save` wrote, or folders of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="HTML file to write.")] = Path("report.html"),
    overwrite: shared.Overwrite = False,
) -> None:
    """Write one self-contained HTML file: recalls, curves, failures, map."""
    from vprkit.evaluation.result import Result

    files = [file for run in runs for file in (sorted(run.glob("*.json")) if run.is_dir() else [run])]
    results = [Result.load(file) for file in files]
    from vprkit.report.html import write_report

    write_report(results, out, overwrite=overwrite)
    typer.echo(str(out))
