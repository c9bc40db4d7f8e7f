"""`vpr show matches|attention`: pictures of what a method compares."""

from pathlib import Path
from typing import Annotated

import typer

from vprkit.cli import options as shared

app = typer.Typer(help="Pictures: matches of two photos, where a photo is looked at.", no_args_is_help=True)

Out = Annotated[Path, typer.Option("--out", "-o", help="Picture to write (.jpg or .png).")]


@app.command("matches")
def matches(
    method: Annotated[str, typer.Argument(help="Method with a second stage, or a weights file.")],
    first: Annotated[Path, typer.Argument(help="A photo.")],
    second: Annotated[Path, typer.Argument(help="Another one.")],
    out: Out = Path("matches.jpg"),
    most: Annotated[int, typer.Option(help="Lines at most.")] = 100,
    ransac: Annotated[
        float | None, typer.Option(help="Keep matches within so many pixels of one epipolar geometry (published: 5).")
    ] = None,
    weights: shared.Weights = None,
    device: shared.Device = "auto",
    precision: shared.Precision = "auto",
    resize: shared.Resize = None,
    settings: shared.Settings = None,
    rerank_set: shared.RerankSettings = None,
    guided: shared.Guided = False,
    patches: shared.Patches = None,
    overwrite: shared.Overwrite = False,
) -> None:
    """Draw which cells of two photos match."""
    from vprkit.files import refuse_to_overwrite
    from vprkit.report.matches import consistent, draw_matches, match

    refuse_to_overwrite(out, overwrite)
    chosen = shared.load(method, weights, device, precision, resize, settings, False)
    chosen = shared.guided_by(chosen, guided, patches)
    shared.change_second_stage(chosen, 1, rerank_set)
    found = match(chosen, first, second)
    pair = found if ransac is None else consistent(found, ransac)
    draw_matches(first, second, pair, most).save(out)
    dropped = "" if ransac is None else f" of {len(found.first)}, the others fit no common geometry"
    typer.echo(f"{len(pair.first)} matches{dropped}: {out}")


@app.command("attention")
def attention(
    method: Annotated[str, typer.Argument(help="Method, or a weights file.")],
    photo: Annotated[Path, typer.Argument(help="A photo.")],
    out: Out = Path("attention.jpg"),
    weights: shared.Weights = None,
    device: shared.Device = "auto",
    precision: shared.Precision = "auto",
    resize: shared.Resize = None,
    settings: shared.Settings = None,
    overwrite: shared.Overwrite = False,
) -> None:
    """Draw where a network looks in a photo."""
    from vprkit.files import refuse_to_overwrite
    from vprkit.report.matches import draw_attention

    refuse_to_overwrite(out, overwrite)
    chosen = shared.load(method, weights, device, precision, resize, settings, False)
    draw_attention(chosen, photo).save(out)
    typer.echo(f"where it looks: {out}")
