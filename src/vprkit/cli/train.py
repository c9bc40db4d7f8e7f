"""`vpr train`: a recipe, data, weights."""

import json
import sys
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vprkit.cli import options as shared

if TYPE_CHECKING:
    from vprkit.training.reporting import Pace


def train(
    recipe: Annotated[str, typer.Argument(help="What to train; `vpr methods` lists recipes.")],
    assignments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Settings, such as epochs=3 optimiser.rate=1e-3."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data", "-d", help="NAME=PATH: train=, val= and test=; several of a role as val.night=. Repeat."
        ),
    ] = None,
    settings: Annotated[Path | None, typer.Option("--config", "-c", help="YAML file with settings.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the run; the same command goes on with it. Default: runs/RECIPE-TIME."),
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print every setting with its meaning, and stop.")
    ] = False,
    as_json: shared.Json = False,
    quiet: shared.Quiet = False,
) -> None:
    """Train a recipe from data to weights; a killed run goes on with the same command and --out."""
    from vprkit import config
    from vprkit.registry import find_recipe
    from vprkit.report.words import plural
    from vprkit.training.sources import parse_sources
    from vprkit.training.train import resolve_settings
    from vprkit.training.train import train as run

    resolved = config.override(resolve_settings(find_recipe(recipe), settings, None), assignments or [])
    if print_config:
        typer.echo(config.to_yaml(resolved), nl=False)
        return
    reporter = Watched(quiet or as_json)
    try:
        done = run(recipe, parse_sources(data or []), out=out, settings=resolved, reporter=reporter)
    finally:
        reporter.close()
    if done.rank:
        return
    facts: dict[str, Any] = {"folder": str(done.folder), "weights": str(done.weights), "epochs": done.epochs,
                             "steps": done.steps, "best": done.best, "broken": done.broken}  # fmt: skip
    if as_json:
        typer.echo(json.dumps(facts))
        return
    reached = "" if done.best is None else f", best validation {done.best:.1f}"
    broken = f", {plural(done.broken, 'image')} left out (broken.txt)" if done.broken else ""
    typer.echo(
        f"{plural(done.epochs, 'epoch')}, {plural(done.steps, 'step')}{reached}{broken}. Weights: {done.weights}"
    )


class Watched:
    """Progress bars and sentences on standard error; where that is no terminal (nohup, SLURM), a line per epoch."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self._bars: dict[str, Any] = {}
        self._images, self._began = 0, 0.0

    def pace(self, pace: "Pace") -> None:
        if not sys.stderr.isatty():
            self._count(pace)
            return
        bar = self._bar(f"epoch {pace.epoch}/{pace.epochs}", pace.batches, pace.batch - 1, "batch")
        bar.set_postfix_str(f"loss {pace.loss:.4f}, rate {pace.rate:.2g}", refresh=False)
        bar.update(pace.batch - bar.n)
        if pace.batch == pace.batches:
            self.close()

    def _count(self, pace: "Pace") -> None:
        """One line when the epoch is over; its speed leaves out the first batch, which waits for all that starts."""
        from vprkit.report.words import count, number

        if not self._began:
            self._images, self._began = 0, monotonic()
        else:
            self._images += pace.images
        if pace.batch < pace.batches:
            return
        seconds = monotonic() - self._began
        speed = f", {count(self._images / seconds)} images/s" if self._images and seconds else ""
        self._began = 0.0
        self.say(f"epoch {pace.epoch}/{pace.epochs}: loss {number(pace.loss, 4)}, rate {pace.rate:.2g}{speed}")

    def describing(self, what: str, done: int, total: int) -> None:
        bar = self._bar(what, total, 0, "img")
        bar.update(done - bar.n)
        if done == total:
            self.close()

    def say(self, sentence: str) -> None:
        self.close()
        if not self.quiet:
            typer.echo(sentence, err=True)

    def close(self) -> None:
        """Wipe the bar that is shown."""
        for bar in self._bars.values():
            bar.close()
        self._bars.clear()

    def _bar(self, what: str, total: int, initial: int, unit: str) -> Any:
        from tqdm import tqdm

        if what not in self._bars:
            self.close()
            hidden = self.quiet or not sys.stderr.isatty()
            self._bars[what] = tqdm(desc=what, total=total, initial=initial, unit=unit, leave=False, disable=hidden)
        return self._bars[what]
