"""`vpr data list|check|convert|group|make-city`."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from vprkit.cli import options as shared
from vprkit.cli.facts import echo_facts
from vprkit.cli.progress import bar

app = typer.Typer(no_args_is_help=True, help="Data sets: layouts, checks, a procedural city.", rich_markup_mode=None)


@app.command("list")
def listing(
    name: Annotated[str | None, typer.Argument(help="Only this data set (or part of its name).")] = None,
    as_json: shared.Json = False,
) -> None:
    """List data sets with their protocols, counts, terms and sources, and the layouts that are understood."""
    from vprkit.data.listing import as_data, as_text

    typer.echo(json.dumps(as_data(name), ensure_ascii=False) if as_json else as_text(name))


@app.command("check")
def check(
    path: Annotated[Path, typer.Argument(help="Folder of an evaluation set.")],
    protocol: Annotated[str | None, typer.Option(help="Published protocol to check against.")] = None,
    split: shared.Split = None,
    ground_truth: shared.GroundTruth = None,
    radius: shared.Radius = None,
    queries: shared.Queries = None,
    database: shared.Database = None,
    variant: shared.Variant = None,
    subtask: shared.Subtask = None,
    task: shared.Task = None,
    length: shared.Length = None,
    images: shared.Images = None,
    query_list: shared.QueryList = None,
    texts: shared.Texts = None,
    decode: Annotated[str, typer.Option(help="Decode all images, a sample of 200 per role, or none.")] = "sample",
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
    as_json: shared.Json = False,
) -> None:
    """Check a data set before hours are spent on it; exit status 1 where something is wrong."""
    from vprkit.data.benchmark import open_benchmark
    from vprkit.data.check import check_benchmark, passed
    from vprkit.errors import VprError
    from vprkit.report.words import plural

    try:
        benchmark = open_benchmark(
            path, split, protocol=protocol, ground_truth=ground_truth, radius=radius, queries=queries,
            database=database, variant=variant, subtask=subtask, task=task, length=length, images=images,
            query_list=query_list, texts=texts, strict=strict,
        )  # fmt: skip
    except VprError as error:
        if as_json:
            unopened = {"level": "error", "check": "reading", "message": str(error)}
            typer.echo(json.dumps({"benchmark": path.name, "passed": False, "findings": [unopened]}))
        raise
    findings = check_benchmark(benchmark, decode, 25.0 if radius is None else radius)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "benchmark": benchmark.name,
                    "protocol": benchmark.protocol,
                    "passed": passed(findings, strict),
                    "findings": [dataclasses.asdict(finding) for finding in findings],
                },
                ensure_ascii=False,
            )
        )
    else:
        sides = plural(len(benchmark.database), "database image"), plural(len(benchmark.queries), "query", "queries")
        typer.echo(f"{benchmark.name}: {', '.join(sides)}")
        for finding in findings:
            typer.echo(f"  {finding.level:<8} {finding.check:<13} {finding.message}")
    raise typer.Exit(0 if passed(findings, strict) else 1)


@app.command("convert")
def convert(
    path: Annotated[Path, typer.Argument(help="Folder of an evaluation set.")],
    out: Annotated[Path, typer.Argument(help="New folder.")],
    to: Annotated[str, typer.Option(help="at (names tell positions) or csv (tables do).")] = "at",
    files: Annotated[str, typer.Option(help="copy, link (symbolic) or move the images.")] = "copy",
    jpeg: Annotated[bool, typer.Option("--jpeg", help="Re-encode what is no JPEG; without it bytes stay.")] = False,
    protocol: Annotated[str | None, typer.Option(help="Published protocol: only its images are taken.")] = None,
    split: shared.Split = None,
    ground_truth: shared.GroundTruth = None,
    radius: shared.Radius = None,
    queries: shared.Queries = None,
    database: shared.Database = None,
    variant: shared.Variant = None,
    subtask: shared.Subtask = None,
    images: shared.Images = None,
    query_list: shared.QueryList = None,
    texts: shared.Texts = None,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """Copy or link a set into the @ layout or into folders with CSV tables; the source stays as it is."""
    from vprkit.data.benchmark import open_benchmark
    from vprkit.data.convert import Conversion

    benchmark = open_benchmark(
        path, split, protocol=protocol, ground_truth=ground_truth, radius=radius, queries=queries, database=database,
        variant=variant, subtask=subtask, images=images, query_list=query_list, texts=texts,
    )  # fmt: skip
    with bar("converting", quiet) as progress:
        written = Conversion(to, files, jpeg).write(benchmark, out, overwrite=overwrite, progress=progress)
    for line in written.lines():
        typer.echo(line)


@app.command("group")
def group(
    rule: Annotated[str, typer.Argument(help="cosplace, eigenplaces or pair-vpr.")],
    path: Annotated[Path, typer.Argument(help="Folder of training images whose names tell positions.")],
    out: Annotated[Path, typer.Argument(help="File to write (.npz).")],
    settings: Annotated[list[str] | None, typer.Option("--set", "-s", help="Part of the rule, such as metres=10 or "
                                                       "min_images=5; repeat.")] = None,
    overwrite: shared.Overwrite = False,
    as_json: shared.Json = False,
) -> None:  # fmt: skip
    """Put images into classes of position and heading, and classes into groups: what CosPlace, ProGEO and Pair-VPR
    train on."""
    from vprkit import config
    from vprkit.config import nearest
    from vprkit.data.grouped_images import group_images, training_records
    from vprkit.data.groups import RULES
    from vprkit.errors import ConfigError
    from vprkit.files import refuse_to_overwrite

    if rule not in RULES:
        raise ConfigError(f"there is no rule '{rule}'{nearest(rule, RULES)}; there are {', '.join(RULES)}")
    chosen = config.override(RULES[rule], settings or [])
    refuse_to_overwrite(out, overwrite)
    grouped = group_images(training_records(path, chosen), chosen)
    grouped.save(out)
    said = grouped.summary()
    if as_json:
        typer.echo(json.dumps(said))
        return
    echo_facts(said, 12)


@app.command("make-city")
def make_city(
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    places: Annotated[int, typer.Option(help="Places, at least 60 m apart.")] = 60,
    views: Annotated[int, typer.Option(help="Photos per place, database and queries together.")] = 12,
    seed: Annotated[int, typer.Option(help="Another number, another city.")] = 0,
    layout: Annotated[list[str] | None, typer.Option(help="at (default), gsv, msls or sfxl; repeat.")] = None,
    size: Annotated[int, typer.Option(help="Side of the photos in pixels.")] = 224,
    splits: Annotated[str, typer.Option(help="Shares of places for train, val and test.")] = "0,0,1",
    condition: Annotated[list[str] | None, typer.Option(help="Only these conditions of queries; repeat.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes (default: one per core).")] = None,
    overwrite: shared.Overwrite = False,
    as_json: shared.Json = False,
    quiet: shared.Quiet = False,
) -> None:
    """Draw a procedural city: street scenes by day, dusk and night, in rain and snow."""
    from vprkit.data.city import make_city as run
    from vprkit.errors import ConfigError

    if workers is not None and workers < 1:
        raise ConfigError(f"--workers must be at least 1, got {workers}")
    try:
        train, val, test = (float(share) for share in splits.split(","))
        if not min(train, val, test) >= 0:
            raise ValueError
    except ValueError:
        raise ConfigError(f"--splits '{splits}': write three shares with commas, such as 0.6,0.1,0.3") from None
    with bar("drawing", quiet or as_json) as progress:
        summary = run(out, places, views, seed, layouts=tuple(layout or ["at"]), size=size, splits=(train, val, test),
                      conditions=condition, workers=workers, overwrite=overwrite, progress=progress)  # fmt: skip
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(summary), default=str, ensure_ascii=False))
        return
    echo_facts(dataclasses.asdict(summary), 12)
