"""`vpr demo`: the main job from nothing, offline, on any machine."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vprkit.cli import options as shared
from vprkit.cli.progress import bar, bars

if TYPE_CHECKING:
    from vprkit.data.benchmark import Benchmark
    from vprkit.data.city import CityOptions
    from vprkit.evaluation.result import Result


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything the demo makes.")] = Path("demo"),
    places: Annotated[int, typer.Option(help="Places of the procedural city.")] = 60,
    views: Annotated[int, typer.Option(help="Views per place.")] = 10,
    seed: Annotated[int, typer.Option(help="Another number, another city.")] = 7,
    streets: Annotated[int, typer.Option(help="Places of a second city, to learn from.")] = 200,
    epochs: Annotated[int, typer.Option(help="Passes over it; 0 leaves learning out.")] = 18,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """Draw a small city, map it, find a photo in it, evaluate two methods, train a third elsewhere, write a report.

    Interrupted, the same command goes on where it stopped.
    """
    import shutil

    from vprkit.data.benchmark import open_benchmark
    from vprkit.data.city import CityOptions
    from vprkit.evaluation.evaluate import evaluate
    from vprkit.files import refuse_to_overwrite
    from vprkit.loading import load_method
    from vprkit.report.html import write_report
    from vprkit.retrieval.export import to_geojson, to_table
    from vprkit.retrieval.map import Map

    results_file = out / "report.html"
    _refuse_folder_of_others(out)
    refuse_to_overwrite(results_file, overwrite)
    if overwrite and (out / "city.map" / "map.json").is_file():
        shutil.rmtree(out / "city.map")  # the demo's own map, of another city
    if overwrite and (out / "run" / "run.json").is_file():
        shutil.rmtree(out / "run")  # the demo's own run
    city, split = out / "city", out / "city" / "images" / "test"
    typer.echo(f"1. A city of {places} places, {views} views each, by day, dusk and night, in rain and snow -> {city}")
    _draw(CityOptions(places, views, seed), city, overwrite, quiet)

    typer.echo(f"2. A map of its database photos -> {out / 'city.map'}")
    benchmark = open_benchmark(city)
    hog = load_method("hog")
    with bar("describing", quiet) as progress:
        built = Map.build(benchmark.database, hog, out / "city.map", progress=progress)

    results = []
    for name in ("thumbnail", "hog"):
        with bars(quiet) as progress_of:
            measure = partial(evaluate, load_method(name), benchmark, progress=progress_of)
            results.append(_measured(out / f"{name}.json", overwrite, measure))

    answered = [number for number, row in enumerate(results[-1].rankings) if row.first_hit == 1]
    number = answered[0] if answered else 0
    photo = benchmark.queries.path(number)
    typer.echo(f"3. Where was {photo.relative_to(split)} taken?")
    located = built.locate(photo, top=3)
    typer.echo(to_table([located]).split("\n", 1)[1], nl=False)
    (out / "located.geojson").write_text(to_geojson([located]), encoding="utf-8")
    truth = benchmark.queries.with_latlon()
    typer.echo(f"  the truth is {truth.latitude[number]:.6f}, {truth.longitude[number]:.6f}\n")

    typer.echo("4. How often is the answer right?")
    for result in results:
        typer.echo(result.table())
    if epochs:
        results.append(_learn(out, benchmark, streets, seed + 1000, epochs, overwrite, quiet))
    write_report(results, results_file, overwrite=overwrite)
    found = ", ".join(f"{result.method} {result.recalls[1]:.1f}" for result in results)
    typer.echo(f"\nR@1 on {results[-1].queries} queries: {found}. Look at {results_file}")


def _refuse_folder_of_others(out: Path) -> None:
    """Refuse a folder that holds something, unless a demo began it: the first that a demo leaves is its city's plan."""
    from vprkit.data.city.generate import MANIFEST, WORK
    from vprkit.errors import DataError

    if not out.is_dir():
        return
    city, names = out / "city", {path.name for path in out.iterdir()}
    empty = names <= {city.name} and not (city.is_dir() and any(city.iterdir()))
    if not empty and not (city / MANIFEST).is_file() and not (city / WORK).is_dir():
        raise DataError(f"{out} is not empty and holds no demo; choose a new or empty folder with --out")


def _draw(options: "CityOptions", folder: Path, overwrite: bool, quiet: bool) -> None:
    """Make a city, unless an interrupted demo has made this very one."""
    from vprkit.data.city import holds_city, make_city_from

    if overwrite or not holds_city(folder, options):
        with bar("drawing", quiet) as progress:
            make_city_from(options, folder, overwrite=overwrite, progress=progress)


def _measured(path: Path, overwrite: bool, measure: "Callable[[], Result]") -> "Result":
    """What an interrupted demo has measured of its city, else what is measured now."""
    from vprkit.evaluation.result import Result

    if path.is_file() and not overwrite:
        return Result.load(path)
    result = measure()
    result.save(path, overwrite)
    return result


def _learn(
    out: Path, benchmark: "Benchmark", places: int, seed: int, epochs: int, overwrite: bool, quiet: bool
) -> "Result":
    """Train `compact` on another city; its result on this one, which it has never seen."""
    from vprkit.cli.train import Watched
    from vprkit.data.city import CityOptions
    from vprkit.evaluation.evaluate import evaluate
    from vprkit.loading import load_method
    from vprkit.training.train import train

    typer.echo(f"\n5. Learning from {places} places of another city -> {out / 'streets'}, {out / 'run'}")
    _draw(CityOptions(places, 8, seed, layouts=("gsv",)), out / "streets", overwrite, quiet)
    options = {"epochs": epochs, "validation.first": True, "validation.every": epochs, "sampling.drop_last": False}
    watched = Watched(quiet)
    try:
        data = {"train": out / "streets", "val": benchmark}
        run = train("compact", data, out=out / "run", options=options, reporter=watched)
    finally:
        watched.close()
    with bars(quiet) as evaluating:
        trained = load_method(weights=run.folder / "last.safetensors")
        measure = partial(evaluate, trained, benchmark, progress=evaluating)
        result = _measured(out / "compact.json", overwrite, measure)
    typer.echo(result.table())
    return result
