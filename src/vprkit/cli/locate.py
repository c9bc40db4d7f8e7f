"""`vpr locate`."""

from pathlib import Path
from typing import Annotated

import typer

from vprkit.cli import options as shared
from vprkit.cli.progress import bar


def locate(
    folder: shared.MapFolder,
    photos: Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.")],
    top: Annotated[int, typer.Option(help="Hits per photo.")] = 5,
    distinct: Annotated[float | None, typer.Option(help="Only hits this many metres apart: TOP places.")] = None,
    rerank: Annotated[
        int | None, typer.Option(help="Candidates that the method's second stage looks at again.")
    ] = None,
    rerank_set: shared.RerankSettings = None,
    form: Annotated[
        str | None,
        typer.Option("--format", help="table, json, csv, geojson or kml; default: as --out ends."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write to a file instead of standard output.")] = None,
    weights: shared.Weights = None,
    device: shared.Device = "auto",
    precision: shared.Precision = "auto",
    on_error: Annotated[str, typer.Option(help="fail at the first unreadable photo, or skip it.")] = "fail",
    batch_size: shared.BatchSize = 32,
    workers: shared.Workers = None,
    as_json: shared.Json = False,
    quiet: shared.Quiet = False,
    overwrite: shared.Overwrite = False,
) -> None:
    """Say where photos were taken: the best database images, and the position they suggest."""
    from vprkit.data.folders import photos_below
    from vprkit.errors import ConfigError, DataError
    from vprkit.files import refuse_to_overwrite, write_atomically
    from vprkit.retrieval.export import FORMATS
    from vprkit.retrieval.map import Map

    suffix = out.suffix.lower().lstrip(".") if out is not None else ""
    form = "json" if as_json else form or (suffix if suffix in FORMATS else "table")
    if form not in FORMATS:
        raise ConfigError(f"format '{form}' is unknown; use {', '.join(FORMATS)}")
    if out is not None:
        refuse_to_overwrite(out, overwrite)
    files = [file for photo in photos for file in (photos_below(photo) if photo.is_dir() else [photo])]
    missing = [str(file) for file in files if not file.is_file()]
    if missing or not files:
        raise DataError(f"{', '.join(missing[:3])}: there is no such file" if missing else "no photos in these folders")
    opened = Map.open(folder, weights=weights, device=device, precision=precision)
    shared.change_second_stage(opened.method, rerank, rerank_set)
    with bar("locating", quiet or len(files) < 2) as progress:
        streaming = shared.streaming(batch_size, workers, on_error)
        located = opened.locate_many(files, top, distinct, streaming, progress, rerank)
    text = FORMATS[form](located)
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_atomically(out, text)
