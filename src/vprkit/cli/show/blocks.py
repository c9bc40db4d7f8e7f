"""`vpr show heads|pca|similarity`: figures of what the blocks of a method's ViT know; they need matplotlib."""

from pathlib import Path
from typing import Annotated

import typer

from vprkit.cli import options as shared

Vit = Annotated[str, typer.Argument(help="Method on a DINOv2, a weights file, or the folder of a run.")]
Photo = Annotated[Path, typer.Argument(help="A photo.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Figure to write (.png, .jpg, .pdf or .svg).")]
BLOCK = "Block to read; 0-based, negative numbers count from the last."


def heads(
    method: Vit,
    photo: Photo,
    out: Out = Path("heads.png"),
    block: Annotated[int, typer.Option(help=BLOCK)] = -1,
    blur: Annotated[float, typer.Option(help="Blur of the overlay: a standard deviation in patches.")] = 0.5,
    weights: shared.Weights = None,
    device: shared.Device = "auto",
    precision: shared.Precision = "auto",
    resize: shared.Resize = None,
    settings: shared.Settings = None,
    overwrite: shared.Overwrite = False,
) -> None:
    """Draw where every attention head of a block looks, and where they look together."""
    from vprkit.report.figures.canvas import check_figure, save_figure
    from vprkit.report.figures.heads import head_attention

    check_figure(out, overwrite)
    chosen = shared.load(method, weights, device, precision, resize, settings, False)
    save_figure(head_attention(chosen, photo, block, blur=blur), out, overwrite)
    typer.echo(f"attention heads: {out}")


def pca(
    method: Vit,
    photos: Annotated[list[Path], typer.Argument(help="Photos, a row each.")],
    out: Out = Path("pca.png"),
    block: Annotated[
        list[int] | None,
        typer.Option(help=f"{BLOCK} Repeat for several (default: two thirds up and the last)."),
    ] = None,
    other: Annotated[
        str | None, typer.Option(help="Weights file, or method, to draw beside: before and after training.")
    ] = None,
    weights: shared.Weights = None,
    device: shared.Device = "auto",
    precision: shared.Precision = "auto",
    resize: shared.Resize = None,
    settings: shared.Settings = None,
    overwrite: shared.Overwrite = False,
) -> None:
    """Draw patch tokens by their three strongest components, as colours."""
    from vprkit.report.figures.canvas import check_figure, save_figure
    from vprkit.report.figures.pca import token_pca

    check_figure(out, overwrite)
    methods = [shared.load(method, weights, device, precision, resize, settings, False)]
    if other is not None:
        methods.append(shared.load(other, None, device, precision, resize, None, False))
    save_figure(token_pca(methods, photos, block), out, overwrite)
    typer.echo(f"components of patch tokens: {out}")


def similarity(
    method: Vit,
    first: Photo,
    second: Annotated[Path, typer.Argument(help="Another one.")],
    at: Annotated[str, typer.Option(help="Point X,Y of the first photo, in its own pixels.")],
    out: Out = Path("similarity.png"),
    block: Annotated[int, typer.Option(help=BLOCK)] = -2,
    facet: Annotated[
        list[str] | None, typer.Option(help="key, query, value or token; repeat for several (default: all).")
    ] = None,
    weights: shared.Weights = None,
    device: shared.Device = "auto",
    precision: shared.Precision = "auto",
    resize: shared.Resize = None,
    settings: shared.Settings = None,
    overwrite: shared.Overwrite = False,
) -> None:
    """Draw how much every patch of a photo resembles a point of another."""
    from vprkit.report.figures.canvas import check_figure, save_figure
    from vprkit.report.figures.likeness import FACETS, draw_likeness, facets_of, likeness

    check_figure(out, overwrite)
    point, facets = _point(at), facets_of(facet) if facet else FACETS
    chosen = shared.load(method, weights, device, precision, resize, settings, False)
    found = likeness(chosen, first, second, point, block, facets)
    save_figure(draw_likeness(found), out, overwrite)
    for place, one in enumerate(facets):
        (x, y), cosine = found.best(place)
        typer.echo(f"{one.value}: {cosine:.3f} at {x:g},{y:g} of the second photo as the network sees it")
    typer.echo(f"similarity: {out}")


def _point(text: str) -> tuple[float, float]:
    from vprkit.errors import ConfigError

    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(f"--at {text}: write two numbers such as --at 120,80") from error
    return x, y
