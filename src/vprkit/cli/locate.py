"""`vpr locate`."""

from pathlib import Path
from typing import Annotated

import typer

from vprkit.cli import options as shared


def locate(
    folder: shared.MapFolder,
    photos: Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.")],
    top: Annotated[int, typer.Option(help="Hits per photo.")] = 5,
    distinct: Annotated[float | None, typer.Option(help="Only hits this many metres apart: TOP places.")] = None,
    form: Annotated[str, typer.Option("--format", help="table, json, csv, geojson or kml.")] = "table",
    out: Annotated[Path | None, typer.Option(help="Write to a file instead of standard output.")] = None,
    weights: shared.Weights = None,
    device: shared.Device = "auto",
    precision: shared.Precision = "auto",
    as_json: shared.Json = False,
    overwrite: shared.Overwrite = False,
) -> None:
    """Say where photos were taken: the best database images, and the position they suggest."""
    from vprkit.config import nearest
    from vprkit.data.images import is_image_name
    from vprkit.errors import ConfigError, DataError
    from vprkit.files import refuse_to_overwrite, write_atomically
    from vprkit.retrieval.export import FORMATS
    from vprkit.retrieval.map import Map

    form = "json" if as_json else form
    if form not in FORMATS:
        raise ConfigError(f"format '{form}' is unknown{nearest(form, FORMATS)}")
    if out is not None:
        refuse_to_overwrite(out, overwrite)
    files = [
        file
        for photo in photos
        for file in (
            sorted(entry for entry in photo.iterdir() if is_image_name(entry.name)) if photo.is_dir() else [photo]
        )
    ]
    missing = [str(file) for file in files if not file.is_file()]
    if missing or not files:
        raise DataError(f"{', '.join(missing[:3])}: there is no such file" if missing else "no photos in these folders")
    opened = Map.open(folder, weights=weights, device=device, precision=precision)
    text = FORMATS[form](opened.locate_many(files, top, distinct))
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_atomically(out, text)
