"""`vpr data list|check|make-city`."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from vprkit.cli import options as shared

app = typer.Typer(no_args_is_help=True, help="Data sets: layouts, checks, a procedural city.", rich_markup_mode=None)


@app.command("list")
def layouts(as_json: shared.Json = False) -> None:
    """List the layouts that are understood."""
    from vprkit.data.layouts.layout import layouts as known

    rows = [{"name": layout.name, "summary": layout.summary} for layout in known()]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        typer.echo(f"{row['name']:<12} {row['summary']}")


@app.command("check")
def check(
    path: Annotated[Path, typer.Argument(help="Folder of an evaluation set.")],
    split: Annotated[str, typer.Option(help="train, val or test, where a folder holds several.")] = "test",
    ground_truth: Annotated[str, typer.Option(help="auto, zone_aware, planar, frames:N, or a CSV file.")] = "auto",
    radius: Annotated[float, typer.Option(help="Metres within which a database image is right.")] = 25.0,
    queries: Annotated[str | None, typer.Option(help="Folder of the queries, where there are several.")] = None,
    decode: Annotated[str, typer.Option(help="Decode all images, a sample of 200 per role, or none.")] = "sample",
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
    as_json: shared.Json = False,
) -> None:
    """Check a data set before hours are spent on it; exit status 1 where something is wrong."""
    from vprkit.data.benchmark import open_benchmark
    from vprkit.data.check import check_benchmark, passed

    benchmark = open_benchmark(path, split, ground_truth=ground_truth, radius=radius, queries=queries, strict=strict)
    findings = check_benchmark(benchmark, decode, radius)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "benchmark": benchmark.name,
                    "passed": passed(findings, strict),
                    "findings": [dataclasses.asdict(finding) for finding in findings],
                },
                ensure_ascii=False,
            )
        )
    else:
        typer.echo(f"{benchmark.name}: {len(benchmark.database)} database images, {len(benchmark.queries)} queries")
        for finding in findings:
            typer.echo(f"  {finding.level:<8} {finding.check:<13} {finding.message}")
    raise typer.Exit(0 if passed(findings, strict) else 1)
