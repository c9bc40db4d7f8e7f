"""`vpr map build|add|remove|calibrate|info|check`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vprkit.cli import options as shared
from vprkit.cli.facts import echo_facts
from vprkit.cli.forecasts import forecast_map
from vprkit.cli.progress import bar

if TYPE_CHECKING:
    from vprkit.data.records import Records
    from vprkit.retrieval.map import Map

app = typer.Typer(no_args_is_help=True, help="Maps: photos described once, kept, searched.", rich_markup_mode=None)

Photos = Annotated[Path, typer.Argument(help="Folder of photos (positions in @ names or EXIF), or a CSV file.")]
OnError = Annotated[str, typer.Option(help="skip unreadable photos and list them, or fail at the first.")]


@app.command("build")
def build(
    photos: Photos,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the map.")],
    method: Annotated[
        str, typer.Option("--method", "-m", help="Method, a weights file, or the folder of a run.")
    ] = "hog",
    weights: shared.Weights = None,
    index: Annotated[
        str | None, typer.Option(help="exact, or fast for large maps (approximate); default: as it is, else exact.")
    ] = None,
    local: Annotated[
        str | None, typer.Option(help="Keep local features for re-ranking: float32, float16 or int8.")
    ] = None,
    guided: shared.Guided = False,
    patches: shared.Patches = None,
    root: Annotated[Path | None, typer.Option(help="Folder that a CSV file's paths are relative to.")] = None,
    texts: shared.Texts = None,
    device: shared.Device = "auto",
    precision: shared.Precision = "auto",
    resize: shared.Resize = None,
    settings: shared.Settings = None,
    exif_orientation: shared.ExifOrientation = True,
    batch_size: shared.BatchSize = 32,
    workers: shared.Workers = None,
    on_error: OnError = "skip",
    quiet: shared.Quiet = False,
) -> None:
    """Make a map of photos. Interrupted, the same command goes on where it stopped."""
    from vprkit.data.benchmark import open_records
    from vprkit.retrieval.map import Map
    from vprkit.retrieval.map_settings import check_index

    shared.check_method(method)
    records = open_records(photos, root, texts)
    check_index(index, records, out)
    chosen = shared.load(method, weights, device, precision, resize, settings, exif_orientation)
    chosen = shared.guided_by(chosen, guided, patches)
    _warn(records)
    forecast_map(chosen, len(records), out, local)  # type: ignore[arg-type]
    with bar("describing", quiet) as progress, shared.told_to_skip():
        built = Map.build(
            records,
            chosen,
            out,
            index=index,
            local=local,  # type: ignore[arg-type]
            progress=progress,
            streaming=shared.streaming(batch_size, workers, on_error),
        )
    _say_done(built, photos)
    _say(built.info())


@app.command("add")
def add(
    folder: shared.MapFolder,
    photos: Photos,
    root: Annotated[Path | None, typer.Option(help="Folder that a CSV file's paths are relative to.")] = None,
    texts: shared.Texts = None,
    weights: shared.Weights = None,
    device: shared.Device = "auto",
    precision: shared.Precision = "auto",
    batch_size: shared.BatchSize = 32,
    workers: shared.Workers = None,
    on_error: OnError = "skip",
    quiet: shared.Quiet = False,
) -> None:
    """Add photos to a map; those it holds already are not described again."""
    from vprkit.data.benchmark import open_records
    from vprkit.report.words import plural
    from vprkit.retrieval.map import Map

    opened = Map.open(folder, weights=weights, device=device, precision=precision)
    records = open_records(photos, root, texts)
    _warn(records)
    _warn_of_precision(opened)
    forecast_map(opened.method, len(records), folder)
    with bar("describing", quiet) as progress, shared.told_to_skip():
        count = opened.add(records, shared.streaming(batch_size, workers, on_error), progress)
    typer.echo(f"{plural(count, 'image')} added, {len(opened):,} in the map")


@app.command("remove")
def remove(
    folder: shared.MapFolder,
    names: Annotated[list[str], typer.Argument(help="Names in the map, or wildcards such as '2019/*'.")],
    weights: shared.Weights = None,
) -> None:
    """Take images out of a map; photos on disk are not touched."""
    from vprkit.report.words import plural
    from vprkit.retrieval.map import Map

    opened = Map.open(folder, weights=weights, device="cpu")
    typer.echo(f"{plural(opened.remove(names), 'image')} removed, {len(opened):,} left in the map")


@app.command("calibrate")
def calibrate(
    folder: shared.MapFolder,
    calibration: Annotated[Path, typer.Argument(metavar="FILE", help="What `vpr confidence fit` wrote.")],
    weights: shared.Weights = None,
    overwrite: shared.Overwrite = False,
) -> None:
    """Keep a calibration in a map, so that its answers say how sure they are."""
    from vprkit.retrieval.map import Map

    opened = Map.open(folder, weights=weights, device="cpu")
    opened.calibrate(calibration, overwrite)
    typer.echo(f"calibration of {folder}: {opened.info()['calibration']}")


@app.command("info")
def info(
    folder: shared.MapFolder,
    names: Annotated[bool, typer.Option("--list", help="Print the names of all images.")] = False,
    weights: shared.Weights = None,
    as_json: shared.Json = False,
) -> None:
    """Say what a map holds."""
    from vprkit.retrieval.map import Map

    opened = Map.open(folder, weights=weights, device="cpu")
    listed = [name for name, alive in zip(opened.records.names, opened.live, strict=True) if alive] if names else None
    if as_json:
        typer.echo(json.dumps({**opened.info(), **({} if listed is None else {"names": listed})}))
        return
    _say(opened.info())
    for name in listed or []:
        typer.echo(name)


@app.command("check")
def check(folder: shared.MapFolder, weights: shared.Weights = None, as_json: shared.Json = False) -> None:
    """Verify checksums and that the photos are where they were; exit status 1 where something is wrong."""
    from vprkit.retrieval.map import Map

    problems = Map.open(folder, weights=weights, device="cpu").check()
    if as_json:
        typer.echo(json.dumps({"problems": problems}))
    else:
        typer.echo("\n".join(problems) or "nothing is wrong")
    raise typer.Exit(1 if problems else 0)


def _warn(records: "Records") -> None:
    """Say what reading found odd, and which photos have no position, before time is spent on them."""
    from vprkit.report.words import plural

    for notice in records.notices:
        typer.echo(f"note: {notice}", err=True)
    unplaced = [row for row, placed in enumerate(records.has_position) if not placed]
    if unplaced:
        example = records.names[unplaced[0]]
        have = "has" if len(unplaced) == 1 else "have"
        table = next(iter(sorted(records.root.glob("*.csv"))), None)
        there = "" if table is None else f". If {table} tells positions, build from it in place of the folder"
        typer.echo(f"note: {len(unplaced):,} of {plural(len(records), 'photo')} {have} no position, such as {example}; "
                   f"what has none can be found, but says nothing about where{there}", err=True)  # fmt: skip


def _warn_of_precision(opened: "Map") -> None:
    """Say so where what comes is described in another precision than what is there: `auto` differs by machine."""
    before, now = opened.store.manifest.get("precision", "fp32"), opened.method.precision
    if before != now:
        typer.echo(f"note: this map's images were described in {before}, what is added now is in {now}; --precision "
                   f"{before} describes all alike", err=True)  # fmt: skip


def _say_done(built: "Map", photos: Path) -> None:
    """What building came to: what the map held before, what was described, and what stays out of the answers."""
    from vprkit.report.words import plural

    done = built.built
    assert done is not None, "it was built just now"
    before, unread = int((done.rows >= 0).sum()) - done.described, int((done.rows < 0).sum())
    failed = f", {unread:,} could not be read" if unread else ""
    removed = len(set(done.rows.tolist()) & set(built.removed))
    had = "known" if removed else "in the map"
    typer.echo(f"{plural(done.described, 'image')} described, {before:,} {had} already{failed}", err=True)
    if removed:
        were, them = ("was", "it") if removed == 1 else ("were", "them")
        typer.echo(f"note: {removed:,} of {plural(len(done.rows), 'photo')} {were} removed from this map; "
                   f"`vpr map add {built.folder} {photos}` brings {them} back", err=True)  # fmt: skip


def _say(info: dict[str, Any]) -> None:
    from vprkit.report.words import plural

    skipped, bounds = info.pop("skipped"), info["bounds"]
    if bounds is not None:
        info["bounds"] = {axis: f"{least:.5f} to {most:.5f}" for axis, (least, most) in bounds.items()}
    echo_facts({key.replace("_", " "): value for key, value in info.items() if value is not None}, 14)
    if skipped:
        typer.echo(f"{'skipped':<14} {plural(len(skipped), 'unreadable photo')}:")
        for entry in skipped[:20]:
            typer.echo(f"{'':<14} {entry['why']}")
