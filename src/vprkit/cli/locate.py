"""`vpr locate` and `vpr search`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vprkit.cli import options as shared
from vprkit.cli.progress import bar

if TYPE_CHECKING:
    from vprkit.retrieval.location import Location
    from vprkit.retrieval.map import Map


Form = Annotated[
    str | None, typer.Option("--format", help="table, json, csv, geojson, kml or gpx; default: as --out ends.")
]
Out = Annotated[Path | None, typer.Option(help="Write to a file instead of standard output.")]


def locate(
    folder: shared.MapFolder,
    photos: Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.")],
    top: Annotated[int, typer.Option(help="Hits per photo.")] = 5,
    distinct: Annotated[float | None, typer.Option(help="Only hits this many metres apart: TOP places.")] = None,
    rerank: Annotated[
        int | None, typer.Option(help="Candidates that the method's second stage looks at again.")
    ] = None,
    rerank_set: shared.RerankSettings = None,
    text: Annotated[str | None, typer.Option(help="What the photo shows, for maps that join photos and texts.")] = None,
    reject: Annotated[
        float | None, typer.Option(help="Least confidence (0 to 1); less sure answers are marked as not known.")
    ] = None,
    form: Form = None,
    out: Out = None,
    gps_copies: Annotated[
        Path | None, typer.Option(help="Folder for copies of the photos with their position in EXIF.")
    ] = None,
    overwrite_gps: Annotated[
        bool, typer.Option("--overwrite-gps", help="Copy photos that have a GPS position too, and replace it.")
    ] = False,
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
    from vprkit.errors import ConfigError
    from vprkit.files import refuse_folder
    from vprkit.retrieval.map import Map

    form = _form("json" if as_json else form, out, overwrite)
    if gps_copies is not None:
        refuse_folder(gps_copies, overwrite)
    elif overwrite_gps:
        raise ConfigError("--overwrite-gps is about copies; name a folder for them with --gps-copies")
    _check_turned_round(folder, photos)
    files = _files_of(photos)
    opened = Map.open(folder, weights=weights, device=device, precision=precision)
    shared.change_second_stage(opened.method, rerank, rerank_set)
    _say_unplaced(opened)
    unsure = opened.why_unsure(top, rerank, text is not None) if opened.calibration is not None else None
    if unsure is not None and reject is None:
        typer.echo(f"note: answers have no confidence: {unsure}", err=True)
    with bar("locating", quiet or len(files) < 2) as progress, shared.told_to_skip():
        streaming = shared.streaming(batch_size, workers, on_error)
        texts = None if text is None else [text] * len(files)
        located = opened.locate_many(files, top, distinct, streaming, progress, rerank, texts, reject)
    _write(located, form, out)
    if gps_copies is not None:
        _copy(located, gps_copies, [photo for photo in photos if photo.is_dir()], overwrite_gps, overwrite)


def search(
    folder: shared.MapFolder,
    sentence: Annotated[list[str], typer.Argument(metavar="SENTENCE", help="What is to be seen there, in quotes.")],
    top: Annotated[int, typer.Option(help="Hits.")] = 5,
    distinct: Annotated[float | None, typer.Option(help="Only hits this many metres apart: TOP places.")] = None,
    near: Annotated[str | None, typer.Option(help="Only images near LATITUDE,LONGITUDE; needs --within.")] = None,
    within: Annotated[float | None, typer.Option(help="Metres around --near.")] = None,
    condition: Annotated[str | None, typer.Option(help="Only images of this condition, such as night.")] = None,
    encoder: Annotated[str, typer.Option(help="Sentence encoder for captions: minilm or bge-large.")] = "minilm",
    form: Form = None,
    out: Out = None,
    weights: shared.Weights = None,
    device: shared.Device = "auto",
    as_json: shared.Json = False,
    overwrite: shared.Overwrite = False,
) -> None:
    """Find places by a sentence: over captions (--texts of map build), or over photos in a cross-modal map."""
    from vprkit.errors import ConfigError
    from vprkit.retrieval.map import Map
    from vprkit.retrieval.text_search import Filter, search_text

    if len(sentence) > 1:
        raise ConfigError(f'put the sentence in quotes: vpr search {folder} "{" ".join(sentence)}"')
    form = _form("json" if as_json else form, out, overwrite)
    only = Filter(_point(near), within, condition)
    opened = Map.open(folder, weights=weights, device=device)
    _say_unplaced(opened)
    _write(search_text(opened, sentence, top, distinct, only, encoder), form, out)


def _check_turned_round(folder: Path, photos: list[Path]) -> None:
    """Refuse a photo, or another file, where the map should stand."""
    from vprkit.data.decoding import is_image_name
    from vprkit.errors import ConfigError

    if not folder.is_file():
        return
    if not is_image_name(folder.name):
        raise ConfigError(f"{folder} is a file, not a map; write vpr locate MAP PHOTO")
    told = " ".join(map(str, photos))
    raise ConfigError(f"{folder} is a photo, not a map; the map comes first: vpr locate {told} {folder}")


def _files_of(photos: list[Path]) -> list[Path]:
    """The photos, and those in folders among them; kinds of photo that are not read are told about.

    Raises:
        DataError: one is not there, or a folder holds none.
    """
    from vprkit.data.folders import foreign_photos, some_photos_below
    from vprkit.errors import DataError

    missing = [str(photo) for photo in photos if not photo.exists()]
    if missing:
        raise DataError(f"{', '.join(missing[:3])}: there is no such file")
    files: list[Path] = []
    for photo in photos:
        files += some_photos_below(photo) if photo.is_dir() else [photo]
        for notice in foreign_photos(photo) if photo.is_dir() else ():
            typer.echo(f"note: {photo}: {notice}", err=True)
    return files


def _say_unplaced(opened: "Map") -> None:
    """Say that no answer can have a position, where that is so."""
    if len(opened) and not opened.records.has_position[opened.live].any():
        typer.echo("note: none of the map's photos has a position, so no answer has one", err=True)


def _point(near: str | None) -> tuple[float, float] | None:
    """`46.2,7.36` as two numbers."""
    from vprkit.errors import ConfigError

    if near is None:
        return None
    try:
        latitude, longitude = (float(part) for part in near.split(","))
    except ValueError:
        raise ConfigError(f"--near '{near}' is no point; write LATITUDE,LONGITUDE, such as 46.233,7.361") from None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise ConfigError(f"--near '{near}' is no point on Earth; write LATITUDE,LONGITUDE in degrees")
    return latitude, longitude


def _form(form: str | None, out: Path | None, overwrite: bool) -> str:
    """The format asked for, checked before any work."""
    from vprkit.errors import ConfigError
    from vprkit.files import refuse_to_overwrite
    from vprkit.retrieval.export import FORMATS

    if form is None and out is not None and out.suffix.lower() not in ENDINGS:
        endings = ", ".join(filter(None, ENDINGS))
        raise ConfigError(f"{out}: nothing is written as '{out.suffix}'; end it with {endings} (a table), or say what "
                          "with --format")  # fmt: skip
    form = form or ("table" if out is None else ENDINGS[out.suffix.lower()])
    if form not in FORMATS:
        raise ConfigError(f"format '{form}' is unknown; use {', '.join(FORMATS)}")
    if out is not None:
        refuse_to_overwrite(out, overwrite)
    return form


ENDINGS = {
    ".json": "json", ".csv": "csv", ".geojson": "geojson", ".kml": "kml", ".gpx": "gpx", ".txt": "table", "": "table",
}  # fmt: skip
"""What is written into a file that ends so."""

LISTED = 20
"""Photos that are named one by one."""


def _copy(located: "list[Location]", folder: Path, roots: list[Path], overwrite_gps: bool, overwrite: bool) -> None:
    """Write copies with a position, and say which photos have none."""
    from vprkit.report.words import plural
    from vprkit.retrieval.gps_copies import write_gps_copies

    copies = write_gps_copies(located, folder, roots, overwrite_gps=overwrite_gps, overwrite=overwrite)
    typer.echo(f"{plural(len(copies.written), 'copy', 'copies')} with a GPS position: {folder}", err=True)
    if copies.left_out:
        typer.echo(f"{plural(len(copies.left_out), 'photo')} without a copy:", err=True)
    for photo, why in copies.left_out[:LISTED]:
        typer.echo(f"  {photo}: {why}", err=True)
    if len(copies.left_out) > LISTED:
        typer.echo(f"  and {len(copies.left_out) - LISTED} more", err=True)


def _write(located: "list[Location]", form: str, out: Path | None) -> None:
    from vprkit.files import write_atomically
    from vprkit.report.words import plural
    from vprkit.retrieval.export import FORMATS

    text = FORMATS[form](located)
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_atomically(out, text)
        typer.echo(f"{plural(len(located), 'answer')}: {out}", err=True)
