"""`vpr show matches|attention`: pictures of what a method compares; they need no matplotlib."""

from pathlib import Path
from typing import Annotated

import typer

from vprkit.cli import options as shared

Out = Annotated[Path, typer.Option("--out", "-o", help="Picture to write (.jpg or .png).")]

MOST = {"spread": 100, "clusters": 10}
"""Matches drawn by default; ten clusters are published."""

SUFFIXES = (".jpg", ".jpeg", ".png")

SIDE = 448
"""Pixels of height that small images are drawn enlarged to."""


def matches(
    method: Annotated[str, typer.Argument(help="Method with a second stage, a weights file, or the folder of a run.")],
    first: Annotated[Path, typer.Argument(help="A photo.")],
    second: Annotated[Path, typer.Argument(help="Another one.")],
    out: Out = Path("matches.jpg"),
    choose: Annotated[
        str, typer.Option(help="Of many: spread evenly, or clusters (the most salient of each group of alike ones).")
    ] = "spread",
    most: Annotated[int | None, typer.Option(min=1, help="Matches at most (default: 100; of clusters 10).")] = None,
    points: Annotated[bool, typer.Option("--points", help="Points of like colour instead of lines.")] = False,
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
    from vprkit.errors import ConfigError
    from vprkit.report import marks
    from vprkit.report.choosing import CHOOSERS
    from vprkit.report.matches import consistent, draw_matches, match
    from vprkit.report.words import plural

    if choose not in MOST:
        raise ConfigError(f"--choose is {' or '.join(MOST)}, not '{choose}'")
    _check_picture(out, overwrite)
    chosen = shared.load(method, weights, device, precision, resize, settings, False)
    chosen = shared.guided_by(chosen, guided, patches)
    shared.change_second_stage(chosen, 1, rerank_set)
    found = match(chosen, first, second)
    pair = found if ransac is None else consistent(found, ransac)
    shown = CHOOSERS[choose](pair, most or MOST[choose])  # type: ignore[index]
    mark, scale = marks.points if points else marks.lines, max(1, round(SIDE / pair.size[0]))
    draw_matches(first, second, shown, len(shown.first), mark=mark, scale=scale).save(out)
    dropped = "" if ransac is None else f" of {len(found.first)}, the others fit no common geometry"
    typer.echo(f"{plural(len(pair.first), 'match', 'matches')}{dropped}, {len(shown.first)} drawn: {out}")


def attention(
    method: Annotated[str, typer.Argument(help="Method, a weights file, or the folder of a run.")],
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
    from vprkit.report.matches import draw_attention

    _check_picture(out, overwrite)
    chosen = shared.load(method, weights, device, precision, resize, settings, False)
    draw_attention(chosen, photo).save(out)
    typer.echo(f"where it looks: {out}")


def _check_picture(out: Path, overwrite: bool) -> None:
    """Say before any work that a picture cannot be written."""
    from vprkit.errors import ConfigError
    from vprkit.files import refuse_to_overwrite

    if out.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{out}: a picture is written as {', '.join(SUFFIXES)}, not '{out.suffix}'")
    refuse_to_overwrite(out, overwrite)
