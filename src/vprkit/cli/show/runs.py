"""`vpr show negatives|sweep`: figures of what training and sweeps wrote down; they need matplotlib."""

from pathlib import Path
from typing import Annotated

import typer

from vprkit.cli import options as shared
from vprkit.cli.show.blocks import Out


def negatives(
    run: Annotated[Path, typer.Argument(help="Folder of a run with memory.record_every above 0.")],
    out: Out = Path("negatives.png"),
    overwrite: shared.Overwrite = False,
) -> None:
    """Draw what a memory added to training: counts, ages, similarities and weights of negatives."""
    from vprkit.report.figures.canvas import check_figure, save_figure
    from vprkit.report.figures.memory import negatives as draw
    from vprkit.report.figures.memory import records_of

    check_figure(out, overwrite)
    records = records_of(run)
    save_figure(draw(records), out, overwrite)
    typer.echo(f"negatives of {len(records)} batches: {out}")


def sweep(
    saved: Annotated[Path, typer.Argument(help="JSON that `vpr sweep --save` wrote.")],
    out: Out = Path("sweep.png"),
    k: Annotated[int | None, typer.Option(help="K of Recall@K (default: the smallest).")] = None,
    overwrite: shared.Overwrite = False,
) -> None:
    """Draw recall over the thresholds of guided re-ranking as a heat-map."""
    from vprkit.evaluation.sweep import Sweep
    from vprkit.report.figures.canvas import check_figure, save_figure
    from vprkit.report.figures.thresholds import threshold_map

    check_figure(out, overwrite)
    loaded = Sweep.load(saved)
    save_figure(threshold_map(loaded, k), out, overwrite)
    best = loaded.best()
    typer.echo(f"best: saliency {best.saliency:g}, similarity {best.similarity:g}: {out}")
