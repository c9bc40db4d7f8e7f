"""The deployed metric during training: the same evaluation that users run, shared among the ranks."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vprkit.config import nearest
from vprkit.data.benchmark import Benchmark
from vprkit.data.records import Records
from vprkit.errors import ConfigError, DataError
from vprkit.evaluation.evaluate import Progress, evaluate, evaluate_descriptors
from vprkit.evaluation.result import Result
from vprkit.evaluation.two_stage import Second, check_space
from vprkit.method import Method, Role
from vprkit.training.describing import Described, describe_shared, streaming_of
from vprkit.training.gathering import rank, world_size
from vprkit.training.reporting import Reporter
from vprkit.training.settings import TrainingConfig, Validation
from vprkit.training.state import Position


@dataclass(frozen=True)
class Monitor:
    """The number that decides which weights are best: R@K of a validation set."""

    name: str
    k: int

    def value(self, results: Mapping[str, Result]) -> float:
        """In percent."""
        return float(results[self.name].recalls[self.k])

    def __str__(self) -> str:
        return f"{self.name}:R@{self.k}"


def monitor_of(validation: Validation, names: Sequence[str]) -> Monitor | None:
    """What `validation.monitor` means for these validation sets; None where there is none.

    Raises:
        ConfigError: it names another set, or a K that is not measured.
    """
    if not names:
        return None
    written = validation.monitor or f"{names[0]}:R@{min(validation.recalls)}"
    name, _, recall = written.rpartition(":")
    if name not in names:
        raise ConfigError(
            f"validation.monitor '{written}' names no validation set{nearest(name, names)}; write NAME:R@K"
        )
    k = recall.removeprefix("R@")
    if not k.isdecimal() or int(k) not in validation.recalls:
        raise ConfigError(f"validation.monitor '{written}' must end in R@K with a K of validation.recalls "
                          f"{list(validation.recalls)}")  # fmt: skip
    return Monitor(name, int(k))


def check_texts(method: Method, sets: Mapping[str, Benchmark]) -> None:
    """Refuse sets without texts for a method that reads them, before there is anything to lose.

    Args:
        method: what is going to be measured.
        sets: on what, by name.

    Raises:
        DataError: a set has none; its name is given.
    """
    for name, benchmark in sets.items():
        sides: Mapping[Role, Records] = {"query": benchmark.queries, "database": benchmark.database}
        for role, records in sides.items():
            if "text" in method.reads(role) and "text" not in records.texts:
                raise DataError(f"{name}: '{method.name}' reads texts of {role} images, and {benchmark.name} has none; "
                                f"put a CSV of descriptions behind its path: {name}=PATH+FILE.csv")  # fmt: skip


def second_of(validation: Validation, method: Method) -> Second | None:
    """The second stage that settings ask for.

    Raises:
        NotAvailable: the method has none.
        ConfigError: it has no such setting.
    """
    if validation.rerank is None:
        return None
    second = Second(validation.rerank, validation.local, validation.local_dtype, ties=validation.ties)
    second.of(method)
    return second.changed(method, validation.rerank_set)


def forecast(method: Method, sets: Iterable[Benchmark], validation: Validation) -> list[str]:
    """Refuse now what measuring these sets would refuse after an epoch; sentences that say what it will take.

    Raises:
        NotAvailable: the method has no second stage.
        ConfigError: it has no such setting, or there is no room for local features.
    """
    second = second_of(validation, method)
    if second is None:
        return []
    sizes = [len(benchmark.database) + len(benchmark.queries) for benchmark in sets]
    folder = None if validation.folder is None else Path(validation.folder)
    sentence = check_space(second, method, max(sizes, default=0), folder)
    return [] if sentence is None else [f"while a set is measured, {sentence}"]


def evaluated(
    method: Method, benchmark: Benchmark, settings: TrainingConfig, progress: Progress | None = None
) -> Result:
    """`evaluate` as a run's settings say; what is described is kept in their folder while it lasts."""
    options = settings.validation
    if options.folder is not None:
        Path(options.folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="vprkit-", dir=options.folder) as folder:
        return evaluate(
            method, benchmark, ks=options.recalls, rerank=second_of(options, method), features=folder,
            streaming=streaming_of(settings), progress=progress,
        )  # fmt: skip


class Validator:
    """The validation sets of a run: when they are measured, and how.

    Args:
        sets: by name.
        settings: of the recipe.
        reporter: told what is described, and which images had to be left out.
    """

    def __init__(self, sets: Mapping[str, Benchmark], settings: TrainingConfig, reporter: Reporter) -> None:
        self.sets, self.settings, self.reporter = sets, settings, reporter
        self._told: set[tuple[str, str]] = set()

    def due(self, position: Position) -> bool:
        """Whether the weights of this moment are still to be measured.

        It follows from the position alone, so that a run which failed or was killed while it measured does so when it
        goes on.
        """
        options = self.settings.validation
        if not self.sets or position.batch or position.validated == position.epoch:
            return False
        if position.epoch == 0:
            return options.first
        last = position.epoch == self.settings.epochs
        return options.every > 0 and (last or position.epoch % options.every == 0)

    def measure(self, method: Method, broken: dict[str, str]) -> dict[str, Result]:
        """Results of all sets on the first rank, of none on the others.

        Args:
            method: what is measured, the same on every rank.
            broken: receives images that this rank had to leave out, name -> why.
        """
        found = {name: self._measured(name, method, broken) for name in self.sets}
        results = {name: result for name, result in found.items() if result is not None}
        for name, result in results.items():
            for notice in result.notices:
                if (name, notice) not in self._told and notice not in self.sets[name].notices:
                    self._told.add((name, notice))
                    self.reporter.say(f"{name}: {notice}")
        return results

    def _measured(self, name: str, method: Method, broken: dict[str, str]) -> Result | None:
        """`evaluate`, every rank describing its share of the images; None on ranks other than the first.

        With a second stage the first rank works alone: local features stay where they are made.
        """
        options, benchmark = self.settings.validation, self.sets[name]
        if world_size() == 1 or options.rerank is not None:
            if rank():
                return None
            return evaluated(
                method,
                benchmark,
                self.settings,
                lambda role, done, total: self.reporter.describing(f"{name} {role}", done, total),
            )
        queries = self._described(method, benchmark.queries, "query", broken)
        database = self._described(method, benchmark.database, "database", broken)
        if rank():
            return None
        asked, rows = np.flatnonzero(queries.readable), np.flatnonzero(database.readable)
        return evaluate_descriptors(
            queries.vectors[asked], database.vectors[rows], benchmark, ks=options.recalls, metric=method.metric,
            name=method.name, rows=rows, asked=asked,
        )  # fmt: skip

    def _described(self, method: Method, records: Records, role: Role, broken: dict[str, str]) -> Described:
        paths = [records.path(row) for row in range(len(records))]
        return describe_shared(method, paths, streaming_of(self.settings), broken, role, records.texts.get("text"))
