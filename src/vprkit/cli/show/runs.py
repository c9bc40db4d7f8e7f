"""`vpr show negatives|sweep|sheet|confidence`: figures of what commands wrote down; they need matplotlib."""

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
    from vprkit.report.words import plural

    check_figure(out, overwrite)
    records = records_of(run)
    save_figure(draw(records), out, overwrite)
    typer.echo(f"negatives of {plural(len(records), 'batch', 'batches')}: {out}")


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


def sheet(
    run: Annotated[Path, typer.Argument(help="Result that `vpr evaluate --save` wrote; its photos are still there.")],
    out: Out = Path("sheet.png"),
    rows: Annotated[int, typer.Option(min=1, help="Queries, spread over the list.")] = 6,
    top: Annotated[int, typer.Option(min=1, help="Predictions of each.")] = 3,
    only_wrong: Annotated[bool, typer.Option("--only-wrong", help="The worst mistakes instead.")] = False,
    overwrite: shared.Overwrite = False,
) -> None:
    """Draw queries, their predictions and the truth under each other."""
    from vprkit.evaluation.result import Result
    from vprkit.report.figures.canvas import check_figure, save_figure
    from vprkit.report.figures.contact import contact_sheet

    check_figure(out, overwrite)
    save_figure(contact_sheet(Result.load(run), rows, top, only_wrong=only_wrong), out, overwrite)
    typer.echo(f"predictions: {out}")


def confidence(
    calibration: Annotated[Path, typer.Argument(help="File that `vpr confidence fit` wrote.")],
    run: Annotated[Path, typer.Argument(help="Result of the same method on other images.")],
    out: Out = Path("confidence.png"),
    bins: Annotated[int, typer.Option(min=2, help="Points, each of equally many answers.")] = 10,
    overwrite: shared.Overwrite = False,
) -> None:
    """Draw how true confidences are, and what rejecting unsure answers buys."""
    from vprkit.evaluation.result import Result
    from vprkit.report.figures.canvas import check_figure, save_figure
    from vprkit.report.figures.confidence import confidence_figure
    from vprkit.retrieval.confidence import Confidence

    check_figure(out, overwrite)
    save_figure(confidence_figure(Confidence.load(calibration), Result.load(run), bins), out, overwrite)
    typer.echo(f"reliability: {out}")
