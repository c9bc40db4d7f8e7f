"""`vpr serve`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vprkit.cli import options as shared

if TYPE_CHECKING:
    from vprkit.serve.settings import ServeSettings


def serve(
    folder: shared.MapFolder,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0: every one of this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0: a free one.")] = 8000,
    token: Annotated[
        str | None, typer.Option(envvar="VPRKIT_TOKEN", help="What requests must carry: Authorization: Bearer TOKEN.")
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="File that holds the token.")] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Further name that requests may call it by (behind a proxy); repeat.")
    ] = None,
    reject: Annotated[
        float | None, typer.Option(help="Confidence below which an answer says that the place is not known.")
    ] = None,
    tiles: Annotated[
        str | None, typer.Option(help="Street tiles that the page may show, https://host/{z}/{x}/{y}.png (off).")
    ] = None,
    attribution: Annotated[
        str | None, typer.Option(help="What the tiles' maker wants to be said (default: © OpenStreetMap contributors).")
    ] = None,
    queue: Annotated[int, typer.Option(help="Questions at once, waiting ones included; more get 503.")] = 32,
    batch: Annotated[int, typer.Option(help="Questions answered together.")] = 16,
    upload_mb: Annotated[float, typer.Option(help="Megabytes of an upload.")] = 20.0,
    megapixels: Annotated[float, typer.Option(help="Million pixels of a photo.")] = 50.0,
    seconds: Annotated[float, typer.Option(help="Seconds of a request, waiting included.")] = 30.0,
    weights: shared.Weights = None,
    device: shared.Device = "auto",
    precision: shared.Precision = "auto",
    rerank_set: shared.RerankSettings = None,
) -> None:
    """Serve a map over HTTP, with a page to ask it; for this machine alone unless --host says otherwise."""
    from vprkit import extras
    from vprkit.report.words import plural
    from vprkit.retrieval.map import Map
    from vprkit.retrieval.map_settings import read
    from vprkit.serve.app import create_app
    from vprkit.serve.running import address_of, listening, log_what_matters, run
    from vprkit.serve.settings import Limits, ServeSettings, Tiles

    for package in extras.EXTRAS["serve"]:
        extras.require("serve", package)
    settings = ServeSettings(
        host=host, port=port, token=_token(token, token_file), hosts=tuple(allow_host or ()), reject=reject,
        tiles=None if tiles is None else Tiles(tiles, *filter(None, [attribution])),
        limits=Limits(queue=queue, batch=batch, upload_mb=upload_mb, megapixels=megapixels, seconds=seconds),
    )  # fmt: skip
    read(folder)  # that there is a map is said before a port is taken
    _warn(settings)
    with listening(settings) as bound:
        opened = Map.open(folder, weights=weights, device=device, precision=precision)
        shared.change_second_stage(opened.method, 1, rerank_set)
        log_what_matters()
        app = create_app(opened, settings)
        sentence = f"{plural(len(opened), 'photo')}, {opened.method.name}: {address_of(bound)} (Ctrl-C ends it)"
        run(app, settings, bound, lambda: typer.echo(sentence, err=True))


def _token(token: str | None, file: Path | None) -> str | None:
    from vprkit.errors import ConfigError
    from vprkit.files import unread

    if file is None:
        return token
    if token is not None:
        raise ConfigError("give --token or --token-file, not both")
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(unread(file, error, "the token cannot be read")) from error


def _warn(settings: "ServeSettings") -> None:
    """Say who can ask, where that may surprise."""
    if not settings.is_local and settings.token is None:
        typer.echo(f"warning: whoever reaches {settings.host} can ask this map and see its photos small; "
                   "set --token, or leave --host out", err=True)  # fmt: skip
    if not settings.is_local:
        typer.echo("warning: this is plain HTTP: put a proxy with TLS before it where others listen", err=True)
