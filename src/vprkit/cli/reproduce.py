"""`vpr reproduce`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from vprkit.cli import options as shared
from vprkit.cli.progress import bars


def reproduce(
    method: Annotated[str, typer.Argument(help="Method (see `vpr methods`), a weights file, or the folder of a run.")],
    protocol: Annotated[str, typer.Argument(help="Published protocol (see `vpr data list`).")],
    data: Annotated[Path | None, typer.Option(help="The set's folder (default: found in $VPRKIT_DATASETS).")] = None,
    weights: shared.Weights = None,
    images: shared.Images = None,
    query_list: shared.QueryList = None,
    rerank: Annotated[int | None, typer.Option(help="Candidates re-ranked (default: as published; 0: none).")] = None,
    local: Annotated[str, typer.Option(help="Where local features are kept: store, ram or recompute.")] = "store",
    local_dtype: Annotated[str, typer.Option(help="As what: float32, float16 or int8.")] = "float32",
    features: Annotated[Path | None, typer.Option(help="Folder that keeps and reuses described features.")] = None,
    save: Annotated[Path | None, typer.Option(help="Write the result as JSON.")] = None,
    submission: Annotated[Path | None, typer.Option(help="Write a prediction file (MSLS challenge).")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a self-contained HTML report.")] = None,
    device: shared.Device = "auto",
    precision: shared.Precision = "fp32",
    resize: shared.Resize = None,
    settings: shared.Settings = None,
    batch_size: shared.BatchSize = 32,
    workers: shared.Workers = None,
    overwrite: shared.Overwrite = False,
    as_json: shared.Json = False,
    quiet: shared.Quiet = False,
) -> None:
    """Measure a method under a published protocol and put the published figures beside it.

    The weights are those that the published figure names, and candidates are re-ranked where it says so.
    """
    from vprkit.data.benchmark import open_benchmark
    from vprkit.data.locate import data_set_of
    from vprkit.data.protocols import find_protocol
    from vprkit.evaluation.evaluate import KS, evaluate
    from vprkit.evaluation.published import candidates_of, figures_of
    from vprkit.evaluation.reproduce import Reproduction
    from vprkit.evaluation.submission import DEPTH, write_submission
    from vprkit.evaluation.two_stage import Second
    from vprkit.files import refuse_to_overwrite
    from vprkit.registry import published_candidates

    shared.check_method(method)
    chosen = find_protocol(protocol)
    for target in (save, submission, report):
        if target is not None:
            refuse_to_overwrite(target, overwrite)
    folder = data if data is not None else data_set_of(chosen)
    benchmark = open_benchmark(folder, protocol=chosen.name, images=images, query_list=query_list)
    figures = figures_of((method,), chosen.name)
    if weights is None and not shared.is_weights(method):
        weights = next((figure.weights for figure in figures if figure.weights), None)
    loaded = shared.load(method, weights, device, precision, resize, settings, False)
    able = loaded.reranker is not None
    usual = candidates_of(figures, able) or (published_candidates(loaded.name) if able else None)
    count = usual if rerank is None else rerank
    with bars(quiet or as_json) as progress:
        result = evaluate(
            loaded, benchmark, ks=(*KS, DEPTH) if submission else KS, features=features, progress=progress,
            rerank=Second(count, local, local_dtype) if count else None,  # type: ignore[arg-type]
            streaming=shared.streaming(batch_size, workers, "fail"),
        )  # fmt: skip
    reproduction = Reproduction.of(result, chosen, method)
    typer.echo(json.dumps(reproduction.to_dict(), ensure_ascii=False) if as_json else reproduction.table())
    if save is not None:
        result.save(save, overwrite)
    if submission is not None:
        write_submission(result, submission, overwrite=overwrite)
    if report is not None:
        from vprkit.report.html import write_report

        write_report([result], report, overwrite=overwrite)
