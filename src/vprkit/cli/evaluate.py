"""`vpr evaluate` and `vpr compare`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vprkit.cli import options as shared
from vprkit.cli.forecasts import forecast_set
from vprkit.cli.progress import bars

if TYPE_CHECKING:
    from vprkit.evaluation.result import Result


def evaluate(
    method: Annotated[str, typer.Argument(help="Method (see `vpr methods`), a weights file, or the folder of a run.")],
    data: Annotated[list[Path], typer.Argument(help="Folders of evaluation sets.")],
    weights: shared.Weights = None,
    protocol: Annotated[str | None, typer.Option(help="Published protocols (see `vpr data list`), by commas.")] = None,
    split: shared.Split = None,
    ground_truth: shared.GroundTruth = None,
    radius: shared.Radius = None,
    queries: shared.Queries = None,
    database: shared.Database = None,
    variant: shared.Variant = None,
    subtask: shared.Subtask = None,
    task: shared.Task = None,
    length: shared.Length = None,
    per_city: Annotated[bool, typer.Option("--per-city", help="Search in the query's city only.")] = False,
    images: shared.Images = None,
    query_list: shared.QueryList = None,
    texts: shared.Texts = None,
    strict: Annotated[bool, typer.Option("--strict", help="Unreadable UTM zones are an error.")] = False,
    recall: Annotated[str, typer.Option(help="K values of Recall@K.")] = "1,5,10,20",
    rerank: Annotated[
        str | None,
        typer.Option(
            help="Candidates that the second stage looks at again: a number, or 'published' for its authors'."
        ),
    ] = None,
    local: Annotated[str, typer.Option(help="Where their local features are kept: store, ram or recompute.")] = "store",
    local_cache: Annotated[
        float, typer.Option(help="Gigabytes for the latest that --local recompute described.")
    ] = 1.0,
    local_dtype: Annotated[str, typer.Option(help="As what: float32, float16 or int8.")] = "float16",
    ties: Annotated[str, typer.Option(help="Who is first of equal scores: first_stage or reversed.")] = "first_stage",
    rerank_set: shared.RerankSettings = None,
    guided: shared.Guided = False,
    patches: shared.Patches = None,
    queries_as: Annotated[
        str,
        typer.Option(help="hard_resize, single_query, central_crop[_nearest], five_crops, nearest_crop or maj_voting."),
    ] = "hard_resize",
    sequences: Annotated[str, typer.Option(help="A sequence from its images' vectors: mean, max or concat.")] = "mean",
    pca: Annotated[int | None, typer.Option(help="Project vectors to so many numbers.")] = None,
    pca_data: Annotated[Path | None, typer.Option(help="Photos that the projection is fitted on.")] = None,
    features: Annotated[Path | None, typer.Option(help="Folder that keeps and reuses described features.")] = None,
    save: Annotated[Path | None, typer.Option(help="Write the result as JSON (several sets: a folder).")] = None,
    submission: Annotated[Path | None, typer.Option(help="Write a prediction file (MSLS challenge).")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a self-contained HTML report.")] = None,
    save_predictions: Annotated[int, typer.Option(help="Draw the first N predictions of every query.")] = 0,
    only_wrong: Annotated[bool, typer.Option("--only-wrong", help="Draw only queries answered wrongly.")] = False,
    predictions: Annotated[Path, typer.Option(help="Folder for the drawn predictions.")] = Path("predictions"),
    device: shared.Device = "auto",
    precision: shared.Precision = "auto",
    resize: shared.Resize = None,
    settings: shared.Settings = None,
    exif_orientation: shared.ExifOrientation = False,
    batch_size: shared.BatchSize = 32,
    workers: shared.Workers = None,
    on_error: Annotated[str, typer.Option(help="fail at the first unreadable image, or skip it.")] = "fail",
    overwrite: shared.Overwrite = False,
    as_json: shared.Json = False,
    quiet: shared.Quiet = False,
) -> None:
    """Evaluate a method: Recall@K with intervals, precision-recall, timings, per-condition tables."""
    from vprkit.data.benchmark import open_benchmark
    from vprkit.data.protocols import matching_protocols
    from vprkit.errors import ConfigError
    from vprkit.evaluation.evaluate import evaluate as run
    from vprkit.evaluation.query_modes import query_method
    from vprkit.evaluation.submission import DEPTH, write_submission
    from vprkit.evaluation.two_stage import Second
    from vprkit.files import refuse_folder, refuse_to_overwrite

    ks = shared.whole_numbers(recall)
    if rerank is not None:
        count = shared.candidates_asked(rerank)
        Second(1 if count is None else count, local, local_dtype, ties=ties)  # type: ignore[arg-type]
    shared.check_method(method)
    names = matching_protocols(protocol) if protocol else [None]
    asked = [(path, name) for path in data for name in names]
    labels = _names(asked)
    targets = _targets(save, labels)
    if submission is not None:
        if len(asked) > 1:
            raise ConfigError("--submission writes one prediction file: give one set and one protocol")
        ks = ks if max(ks) >= DEPTH else [*ks, DEPTH]
    for target in [*targets, *([report] if report else []), *([submission] if submission else [])]:
        refuse_to_overwrite(target, overwrite)
    if save_predictions:
        refuse_folder(predictions, overwrite)
    if features is not None and features.exists() and not features.is_dir():
        raise ConfigError(f"--features {features} is a file; name a folder")
    sets = [
        open_benchmark(
            path, split, protocol=name, ground_truth=ground_truth, radius=radius, queries=queries, database=database,
            variant=variant, subtask=subtask, strict=strict, per_city=per_city or None, images=images,
            query_list=query_list, texts=texts, task=task, length=length,
        )
        for path, name in asked
    ]  # fmt: skip
    chosen = shared.load(method, weights, device, precision, resize, settings, exif_orientation)
    chosen = shared.guided_by(chosen, guided, patches)
    if pca is not None:
        chosen = shared.projected(chosen, pca, pca_data, texts, batch_size, workers, quiet or as_json)
    query_method(chosen, queries_as)  # type: ignore[arg-type]
    second = shared.second_of(
        chosen, shared.candidates_of(chosen, rerank), local, local_dtype, ties, rerank_set, local_cache
    )
    results = []
    for benchmark in sets:
        forecast_set(chosen, second, len(benchmark.database) + len(benchmark.queries), features)
        with bars(quiet or as_json) as progress, shared.told_to_skip():
            result = run(
                chosen,
                benchmark,
                ks=ks,
                rerank=second,
                queries_as=queries_as,  # type: ignore[arg-type]
                sequences=sequences,  # type: ignore[arg-type]
                features=features,
                progress=progress,
                streaming=shared.streaming(batch_size, workers, on_error),
            )
        results.append(result)
        if not as_json:
            typer.echo(result.table())
    if as_json:
        typer.echo(results[0].to_json() if len(results) == 1 else "[" + ",".join(r.to_json() for r in results) + "]")
    if submission is not None:
        write_submission(results[0], submission, overwrite=overwrite)
        typer.echo(f"predictions: {submission}", err=True)
    _write(
        results,
        labels,
        targets,
        report,
        predictions if save_predictions else None,
        save_predictions,
        only_wrong,
        overwrite,
    )


def compare(
    first: Annotated[Path, typer.Argument(help="Result that `vpr evaluate --save` wrote.")],
    second: Annotated[Path, typer.Argument(help="Another one, on the same images.")],
    as_json: shared.Json = False,
) -> None:
    """Compare two results on the same queries: difference, interval, exact McNemar test."""
    import dataclasses

    from vprkit.evaluation.comparison import compare as run
    from vprkit.evaluation.result import Result

    comparison = run(Result.load(first), Result.load(second))
    typer.echo(json.dumps(dataclasses.asdict(comparison)) if as_json else comparison.table())


def _targets(save: Path | None, labels: list[str]) -> list[Path]:
    """Where each result goes: the file itself for one, files named after the sets in a folder for several."""
    if save is None:
        return []
    return [save] if len(labels) == 1 else [save / f"{label}.json" for label in labels]


def _names(asked: "list[tuple[Path, str | None]]") -> list[str]:
    """What each result is called: its folder, or its protocol; numbered where two share a name."""
    names = [name or path.resolve().name for path, name in asked]
    return [name if names.count(name) == 1 else f"{name}-{place}" for place, name in enumerate(names, 1)]


def _write(
    results: "list[Result]",
    names: list[str],
    targets: list[Path],
    report: Path | None,
    predictions: Path | None,
    count: int,
    only_wrong: bool,
    overwrite: bool,
) -> None:
    if targets:
        for result, target in zip(results, targets, strict=True):
            result.save(target, overwrite)
    if report is not None:
        from vprkit.report.html import write_report

        write_report(results, report, overwrite=overwrite)
        typer.echo(f"report: {report}", err=True)
    if predictions is not None:
        from vprkit.report.sheets import save_predictions

        for result, name in zip(results, names, strict=True):
            folder = predictions if len(results) == 1 else predictions / name
            drawn = save_predictions(result, folder, count, only_wrong=only_wrong)
            typer.echo(f"{drawn} predictions: {folder}", err=True)
