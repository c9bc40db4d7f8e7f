"""`vpr show tsne`: a figure of the images of a whole set; it needs matplotlib and scikit-learn."""

from pathlib import Path
from typing import Annotated

import typer

from vprkit.cli import options as shared
from vprkit.cli.progress import bar
from vprkit.cli.show.blocks import Out


def tsne(
    method: Annotated[str, typer.Argument(help="Method, a weights file, or the folder of a run.")],
    data: Annotated[Path, typer.Argument(help="Evaluation set.")],
    out: Out = Path("tsne.png"),
    most: Annotated[int, typer.Option(min=5, help="Images; of more, so many are drawn by lot.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the lot and of t-SNE.")] = 0,
    split: shared.Split = None,
    weights: shared.Weights = None,
    device: shared.Device = "auto",
    precision: shared.Precision = "auto",
    resize: shared.Resize = None,
    settings: shared.Settings = None,
    batch_size: shared.BatchSize = 32,
    workers: shared.Workers = None,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """Draw global vectors of a set's images on a plane, coloured by where they were taken."""
    from vprkit.data.benchmark import open_benchmark
    from vprkit.extras import require
    from vprkit.report.figures.canvas import check_figure, save_figure
    from vprkit.report.figures.descriptors import descriptor_map

    check_figure(out, overwrite)
    require("report", "sklearn.manifold")
    benchmark = open_benchmark(data, split)
    chosen = shared.load(method, weights, device, precision, resize, settings, False)
    streaming = shared.streaming(batch_size, workers, "fail")
    total, done = min(most, len(benchmark.database) + len(benchmark.queries)), 0
    with bar("describing", quiet) as progress:

        def step(images: int) -> None:
            nonlocal done
            done += images
            progress(done, total)

        figure = descriptor_map(chosen, benchmark, most, seed=seed, streaming=streaming, progress=step)
    save_figure(figure, out, overwrite)
    typer.echo(f"{total} images on a plane: {out}")
