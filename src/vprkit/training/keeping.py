"""Weights that a run leaves to use: the best by the monitored recall, those of some epochs, and the last."""

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors

from vprkit.errors import WeightsError
from vprkit.files import sync_folder
from vprkit.method import Method
from vprkit.weights.own import Header

LAST = "last.safetensors"

Write = Callable[[Path, Callable[[], Method], Mapping[str, Any]], None]
"""Called with a path, what makes the method, and notes for the header."""


def kept_name(epoch: int) -> str:
    """Of weights that are kept for good."""
    return f"epoch-{epoch:05d}.safetensors"


@dataclass(frozen=True)
class Kept:
    """Weights on disk.

    Attributes:
        path: the file.
        value: what the monitored recall was.
        epoch: epochs of training behind them.
    """

    path: Path
    value: float
    epoch: int


class Keeper:
    """The best weights of a run: `best-1.safetensors`, `best-2.safetensors`, ... by falling value, then epoch.

    The files' headers are the only record, so a run that was killed at any moment finds what is there.

    Args:
        folder: of the run.
        count: how many are kept.
        write: puts weights where it is told, as `Task.write` does.
    """

    def __init__(self, folder: Path, count: int, write: Write) -> None:
        self.folder, self.count, self.write = folder, count, write

    def kept(self) -> list[Kept]:
        """What is there, best first."""
        found = [kept for path in self.folder.glob("best-*.safetensors") if (kept := _read(path)) is not None]
        return sorted(found, key=lambda kept: (-kept.value, kept.epoch))

    def offer(self, method: Method, value: float, epoch: int, notes: dict[str, Any]) -> None:
        """Keep the method's weights if they are among the best.

        Weights of the same epoch that are there already (a run that was killed after keeping them) make room.
        """
        before = [kept for kept in self.kept() if kept.epoch != epoch]
        place = sum((-kept.value, kept.epoch) < (-value, epoch) for kept in before)
        if self.count and place < self.count:
            fresh = self.folder / "best-new.safetensors"
            self.write(fresh, lambda: method, {**notes, "value": value, "epoch": epoch})
            before.insert(place, Kept(fresh, value, epoch))
            self._rename(before)

    def _rename(self, order: list[Kept]) -> None:
        """Give every file the name of its rank and remove what is beyond the count."""
        staged = []
        for rank, kept in enumerate(order[: self.count], 1):
            stage = self.folder / f"best-{os.getpid()}-{rank}.safetensors"  # a name that no killed run left
            kept.path.rename(stage)
            staged.append(stage)
        for path in self.folder.glob("best-*.safetensors"):
            if path not in staged:
                path.unlink()
        for rank, stage in enumerate(staged, 1):
            stage.rename(self.folder / f"best-{rank}.safetensors")
        sync_folder(self.folder)


def _read(path: Path) -> Kept | None:
    """The record in a file's header; None where it was not finished."""
    with contextlib.suppress(OSError, WeightsError, KeyError, safetensors.SafetensorError):
        with safetensors.safe_open(os.fspath(path), "pt") as file:
            header = Header.from_metadata(file.metadata() or {}, path)
        if header is not None:
            return Kept(path, float(header.notes["value"]), int(header.notes["epoch"]))
    return None
