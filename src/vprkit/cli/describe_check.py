"""`vpr data describe-check`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from vprkit.cli import options as shared
from vprkit.cli.facts import echo_facts
from vprkit.cli.progress import bar


def describe_check(
    texts: Annotated[Path, typer.Argument(help="CSV of descriptions (image_path,description).")],
    images: Annotated[Path, typer.Argument(help="Folder that the paths are relative to.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="JSON lines; an earlier run there is gone on with.")],
    detector: Annotated[
        str | None, typer.Option(help="Zero-shot detector of transformers: a folder with its files, or its name.")
    ] = None,
    verifier: Annotated[
        str | None, typer.Option(help="Address of an OpenAI-compatible server: http://HOST:PORT/v1. Images go there.")
    ] = None,
    verifier_model: Annotated[str, typer.Option(help="What that server calls its vision-language model.")] = "default",
    describe_first: Annotated[
        bool, typer.Option("--describe-first", help="Let that model describe the image before it answers.")
    ] = False,
    threshold: Annotated[float, typer.Option(help="Score of the detector from which an object counts as found.")] = 0.2,
    device: Annotated[str, typer.Option(help="Where the detector runs, as torch writes it.")] = "cpu",
    as_json: shared.Json = False,
    quiet: shared.Quiet = False,
) -> None:
    """Find objects that descriptions name and images do not show; without a model, list what texts name."""
    from vprkit.data.descriptions import read_descriptions
    from vprkit.data.quality.checking import check_descriptions
    from vprkit.data.quality.models import ChatVerifier, ZeroShotDetector
    from vprkit.data.quality.noun_phrases import NounPhraseLister
    from vprkit.errors import DataError

    told = read_descriptions(texts)
    if not images.is_dir():
        raise DataError(f"{images}: there is no such folder of images")
    asked = None if verifier is None else ChatVerifier(verifier, verifier_model, describe_first=describe_first)
    if asked is not None:
        asked.check()
    looking = None if detector is None else ZeroShotDetector(detector, device)
    with bar("checking", quiet or as_json) as progress:
        checks = check_descriptions(
            told.texts, images, out, NounPhraseLister(), looking, asked, threshold=threshold, progress=progress
        )
    if as_json:
        typer.echo(json.dumps(checks.summary(), ensure_ascii=False))
        return
    echo_facts(checks.summary(), 18)
    for doubt in checks.doubts()[:10]:
        typer.echo(f"{doubt.image}: {', '.join(doubt.objects or doubt.unsure)}")
