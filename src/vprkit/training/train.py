"""`vprkit.train`: from a recipe's name and data to weights."""

from collections.abc import Mapping
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

from vprkit import config
from vprkit.device import numerics
from vprkit.errors import ConfigError
from vprkit.evaluation.result import Result
from vprkit.extras import EXTRAS, require
from vprkit.loading import load_method
from vprkit.registry import Recipe, find_recipe, load_attribute
from vprkit.training import fabric as fabrics
from vprkit.training.engine import Engine, Run
from vprkit.training.reporting import Reporter, Silent
from vprkit.training.run_folder import RunFolder
from vprkit.training.settings import TrainingConfig
from vprkit.training.sources import Sources, open_sources
from vprkit.training.validating import check_texts, evaluated, forecast, monitor_of
from vprkit.weights.reading import sha256_of


def train(
    recipe: str,
    data: Mapping[str, Any],
    *,
    out: str | Path | None = None,
    settings: TrainingConfig | str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    reporter: Reporter | None = None,
) -> Run:
    """Train a recipe. The same call again goes on where a killed run stopped, and does nothing where it is finished.

    Args:
        recipe: its name (`vpr methods`).
        data: name -> path or object: `train`, `val`, `test`, several of a role as `val.day`, `val.night`. Training sets
            are paths or objects the recipe takes (`vprkit.data.places.Places`), the others paths or `Benchmark`s.
        out: the run's folder; default `runs/RECIPE-DATE-TIME`.
        settings: the configuration, or a YAML file with what differs from the recipe's defaults.
        options: dotted key -> value, on top of it: `{"epochs": 3, "optimiser.rate": 1e-3}`.
        reporter: told what happens; default nobody.

    Returns:
        Where the weights are, and what they reached.

    Raises:
        ConfigError: a name, key or value is unknown, or the folder holds another run.
        DataError: a set cannot be opened, an image cannot be read, or a set to be measured lacks texts that are read.
        StoreError: another process trains in this folder.
        MissingExtra: the extra `train` is not installed.
    """
    for package in EXTRAS["train"]:
        require("train", package)
    declared = find_recipe(recipe)
    resolved = resolve_settings(declared, settings, options)
    sources = open_sources(data)
    monitor = monitor_of(resolved.validation, list(sources.val))
    folder = RunFolder(Path(out) if out is not None else Path("runs") / f"{recipe}-{datetime.now():%Y%m%d-%H%M%S}")
    fabric = fabrics.launch(resolved.running)
    task = load_attribute(declared.task)(resolved, sources.train)
    needs: list[str] = []
    if measured := [*sources.val.values(), *sources.test.values()]:
        # Refuses now what validation would refuse after an epoch.
        deployed = task.method(fabric.device, "fp32", 0)
        needs = forecast(deployed, measured, resolved.validation)
        check_texts(deployed, {**sources.val, **sources.test})
    prints = {"training set": task.fingerprint(), **task.brought()}
    going_on = folder.check(recipe, resolved, prints)
    fabric.barrier()  # every rank has looked before the first one writes
    told = (reporter or Silent()) if fabric.is_global_zero else Silent()
    for sentence in needs:
        told.say(sentence)
    with (
        folder.held() if fabric.is_global_zero else nullcontext(),
        fabrics.expected_warnings(),
        numerics(resolved.running.tf32, resolved.running.deterministic),
    ):
        if fabric.is_global_zero:
            folder.begin(recipe, resolved, prints, sources.paths)
        fabric.barrier()
        run = Engine(recipe, resolved, task, fabric, folder, sources.val, monitor, told).run(going_on)
        if fabric.is_global_zero:
            _test(run, sources, resolved, told)
    return run


def resolve_settings(
    recipe: Recipe, settings: TrainingConfig | str | Path | None, options: Mapping[str, Any] | None
) -> TrainingConfig:
    """A recipe's configuration with what a file and single options change.

    Raises:
        ConfigError: a key is unknown (the nearest is named), a value of the wrong type, or settings of another recipe.
    """
    cls: type[TrainingConfig] = load_attribute(recipe.settings)
    if isinstance(settings, (str, Path)):
        settings = config.from_yaml(cls, settings)
    if settings is None:
        settings = cls()
    if not isinstance(settings, cls):
        raise ConfigError(f"recipe '{recipe.name}' takes {cls.__name__}, not {type(settings).__name__}")
    return config.with_values(settings, options or {})


def _test(run: Run, sources: Sources, settings: TrainingConfig, reporter: Reporter) -> None:
    """Measure the test sets with the weights that the run leaves, once; those of further epochs anew."""
    for name, benchmark in sources.test.items():
        target = run.folder / f"{name}.json"
        if target.exists() and (Result.load(target).weights or {}).get("sha256") == sha256_of(run.weights):
            continue
        method = load_method(None, run.weights, device=settings.running.device)
        result = evaluated(method, benchmark, settings)
        result.save(target, overwrite=True)
        shown = ", ".join(f"R@{k} {recall:.1f}" for k, recall in result.recalls.items())
        reporter.say(f"{name} with {run.weights.name}: {shown}")
