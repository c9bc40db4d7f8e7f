"""`vpr sweep`: which thresholds of guided re-ranking are best on a validation set, and what they give on others."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from vprkit.cli import options as shared
from vprkit.cli.forecasts import forecast_set
from vprkit.cli.progress import bars


def sweep(
    method: Annotated[
        str, typer.Argument(help="Method with guided re-ranking, a weights file, or the folder of a run.")
    ],
    validation: Annotated[Path, typer.Argument(help="Evaluation set that thresholds are chosen on.")],
    test: Annotated[
        list[Path] | None, typer.Option(help="Evaluation set to measure the chosen ones on; repeat.")
    ] = None,
    rerank: Annotated[int, typer.Option(help="Candidates that are looked at again.")] = 10,
    saliency: Annotated[str, typer.Option(help="Thresholds: 0.1,0.5 or start:end:step.")] = "0.1:0.9:0.1",
    similarity: Annotated[str, typer.Option(help="Thresholds: 0.1,0.5 or start:end:step.")] = "0.1:0.9:0.1",
    mask: Annotated[str, typer.Option(help="strict, per_candidate or official.")] = "strict",
    ties: Annotated[str, typer.Option(help="Who is first of equal scores: first_stage or reversed.")] = "first_stage",
    split: shared.Split = None,
    ground_truth: shared.GroundTruth = None,
    radius: shared.Radius = None,
    queries: shared.Queries = None,
    local: Annotated[str, typer.Option(help="Where local features are kept: store, ram or recompute.")] = "store",
    local_dtype: Annotated[str, typer.Option(help="As what: float32, float16 or int8.")] = "float16",
    guided: shared.Guided = False,
    patches: shared.Patches = None,
    features: Annotated[Path | None, typer.Option(help="Folder that keeps and reuses described features.")] = None,
    save: Annotated[Path | None, typer.Option(help="Write the grid as JSON (`vpr show sweep` draws it).")] = None,
    weights: shared.Weights = None,
    device: shared.Device = "auto",
    precision: shared.Precision = "auto",
    resize: shared.Resize = None,
    settings: shared.Settings = None,
    batch_size: shared.BatchSize = 32,
    workers: shared.Workers = None,
    overwrite: shared.Overwrite = False,
    as_json: shared.Json = False,
    quiet: shared.Quiet = False,
) -> None:
    """Try every pair of thresholds at once on one set, use the best on others, and say so."""
    from vprkit.data.benchmark import open_benchmark
    from vprkit.evaluation.evaluate import evaluate
    from vprkit.evaluation.sweep import KS, on_another
    from vprkit.evaluation.sweep import sweep as run
    from vprkit.evaluation.two_stage import Second
    from vprkit.files import refuse_to_overwrite
    from vprkit.rerank.guided_grid import thresholds

    shared.check_method(method)
    if save is not None:
        refuse_to_overwrite(save, overwrite)
    rising = [thresholds(text) for text in (saliency, similarity)]
    second = Second(rerank, local, local_dtype, ties=ties)  # type: ignore[arg-type]
    sets = [
        open_benchmark(path, split, ground_truth=ground_truth, radius=radius, queries=queries)
        for path in (validation, *(test or []))
    ]
    chosen = shared.load(method, weights, device, precision, resize, settings, False)
    chosen = shared.guided_by(chosen, guided, patches)
    streaming = shared.streaming(batch_size, workers, "fail")
    ks = tuple(k for k in KS if k <= rerank)
    forecast_set(chosen, second, len(sets[0].database) + len(sets[0].queries), features)
    with bars(quiet or as_json) as progress:
        found = run(
            chosen,
            sets[0],
            second,
            *rising,
            mask=mask,  # type: ignore[arg-type]
            ks=ks,
            features=features,
            streaming=streaming,
            progress=progress,
        )
    best = found.best()
    if save is not None:
        found.save(save, overwrite)
    typer.echo(found.to_json() if as_json else found.table())
    typer.echo(
        f"best: --rerank-set saliency={best.saliency:g} --rerank-set similarity={best.similarity:g}", err=as_json
    )
    for benchmark in sets[1:]:
        with bars(quiet or as_json) as progress:
            result = evaluate(
                chosen, benchmark, ks=ks, rerank=dataclasses.replace(second, reranker=best), features=features,
                streaming=streaming, progress=progress,
            )  # fmt: skip
        told = on_another(found, result)
        typer.echo(told.to_json() if as_json else told.table())
