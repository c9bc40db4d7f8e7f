"""`vpr search-checkpoints`: which weights of a training run are best with both stages."""

import json
from pathlib import Path
from typing import Annotated

import typer

from vprkit.cli import options as shared
from vprkit.cli.progress import bars


def search_checkpoints(
    run: Annotated[Path, typer.Argument(help="Folder of a training run, or of any weights of one method.")],
    data: Annotated[Path, typer.Argument(help="Folder of the evaluation set that decides.")],
    rerank: Annotated[int, typer.Option(help="Candidates that the method's second stage looks at again.")] = 100,
    recall: Annotated[str, typer.Option(help="K values of Recall@K; the least decides, then the next.")] = "1,5,10",
    split: shared.Split = None,
    ground_truth: shared.GroundTruth = None,
    radius: shared.Radius = None,
    queries: shared.Queries = None,
    local: Annotated[str, typer.Option(help="Where local features are kept: store, ram or recompute.")] = "store",
    local_dtype: Annotated[str, typer.Option(help="As what: float32, float16 or int8.")] = "float16",
    save: Annotated[
        Path | None, typer.Option(help="Where the table is kept as CSV. Default: RUN/checkpoints.csv.")
    ] = None,
    device: shared.Device = "auto",
    precision: shared.Precision = "auto",
    batch_size: shared.BatchSize = 32,
    workers: shared.Workers = None,
    overwrite: shared.Overwrite = False,
    as_json: shared.Json = False,
    quiet: shared.Quiet = False,
) -> None:
    """Measure all weights of a run with both stages and rank them; fails where one could not be measured."""
    from vprkit.data.benchmark import open_benchmark
    from vprkit.evaluation.checkpoints import search_checkpoints as search
    from vprkit.evaluation.checkpoints import weights_in
    from vprkit.evaluation.two_stage import Second
    from vprkit.files import refuse_to_overwrite, write_atomically
    from vprkit.report.words import plural

    target = save if save is not None else run / "checkpoints.csv"
    refuse_to_overwrite(target, overwrite)
    ks = shared.whole_numbers(recall)
    second = Second(rerank, local, local_dtype)  # type: ignore[arg-type]
    files = weights_in(run)
    benchmark = open_benchmark(data, split, ground_truth=ground_truth, radius=radius, queries=queries)
    if not quiet and not as_json:
        typer.echo(f"{plural(len(files), 'file')}, {plural(len(benchmark.queries), 'query', 'queries')} each", err=True)
    with bars(quiet or as_json) as progress:
        found = search(
            run, benchmark, second, ks=ks, device=device, precision=precision,
            streaming=shared.streaming(batch_size, workers, "fail"), progress=progress,
            done=lambda so_far: write_atomically(target, so_far.to_csv()),
        )  # fmt: skip
    if as_json:
        best = None if found.best is None else str(found.best)
        typer.echo(json.dumps({"best": best, "csv": str(target), "rows": [vars(row) for row in found.rows]}))
    else:
        typer.echo(found.table())
        typer.echo(f"best: {found.best or 'none, all failed'}; kept in {target}")
    raise typer.Exit(1 if found.failed else 0)
