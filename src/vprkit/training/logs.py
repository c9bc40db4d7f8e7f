"""Where a run's numbers go: lines of JSON, TensorBoard, Weights & Biases."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from vprkit.extras import require
from vprkit.files import write_atomically
from vprkit.training.settings import Log


class Logger(Protocol):
    """Receives numbers by name, at an optimiser step."""

    def write(self, step: int, values: Mapping[str, Any]) -> None: ...

    def close(self) -> None: ...


class JsonLines:
    """One JSON object a line; a number that is not finite is null, which every reader of JSON takes.

    A run that goes on from step N drops the lines after N first: they are made again. What is made again of step N
    itself (a validation that was logged before a kill, and saved by nobody) is not written twice.

    Args:
        path: the file.
        resumed: the step that a run goes on from; 0 begins anew.
    """

    def __init__(self, path: Path, resumed: int) -> None:
        self._there: set[str] = set()
        if path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            write_atomically(path, "".join(line for line in lines if _step(line) <= resumed))
            self._there = {line for line in lines if _step(line) == resumed}
        self._file = path.open("a", encoding="utf-8")

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        known = {name: None if _not_finite(value) else value for name, value in values.items()}
        line = json.dumps({"step": step, **known}) + "\n"
        if line not in self._there:
            self._file.write(line)
            self._file.flush()

    def close(self) -> None:
        self._file.close()


class TensorBoard:
    """Event files in the run's folder; needs the package `tensorboard`."""

    def __init__(self, path: Path, resumed: int) -> None:
        require("tensorboard")
        writer = require("tensorboard", "torch.utils.tensorboard").SummaryWriter
        self._writer = writer(str(path.parent / "tensorboard"), purge_step=resumed + 1 if resumed else None)

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        for name, value in _numbers(values).items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class WeightsAndBiases:
    """A run on Weights & Biases (project `vprkit`, settings from its own environment variables)."""

    def __init__(self, path: Path, resumed: int) -> None:
        name = path.parent.resolve().name
        self._run = require("wandb").init(project="vprkit", name=name, id=name, dir=str(path.parent), resume="allow")

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        self._run.log(_numbers(values), step=step)

    def close(self) -> None:
        self._run.finish()


_KINDS: dict[Log, Callable[[Path, int], Logger]] = {
    "jsonl": JsonLines,
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
}


class Logs:
    """Several loggers as one.

    Args:
        kinds: which.
        path: the run's `log.jsonl`; the others write beside it.
        resumed: the step that a run goes on from; 0 begins anew.
    """

    def __init__(self, kinds: tuple[Log, ...], path: Path, resumed: int) -> None:
        self._loggers = [_KINDS[kind](path, resumed) for kind in kinds]

    def write(self, step: int, **values: Any) -> None:
        for logger in self._loggers:
            logger.write(step, values)

    def close(self) -> None:
        for logger in self._loggers:
            logger.close()


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if isinstance(value, (int, float))}


def _not_finite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _step(line: str) -> int:
    """The step of a line; one that a kill cut short is beyond every step."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return 2**62
