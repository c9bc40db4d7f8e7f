"""What a run needs to go on exactly where it stopped, in one file that is replaced at once.

Parameters that do not learn are not in it: they are what the recipe starts from, which a run that goes on reads again.
A checksum of them is, so that other weights under the same name are found out.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vprkit.errors import StoreError
from vprkit.files import replacing
from vprkit.method import named_sha256

FORMAT = 2


@dataclass
class Position:
    """How far a run has come. Every draw follows from it, so no generator's state is kept.

    Attributes:
        epoch: whole epochs done.
        batch: batches of the next epoch done, at an optimiser step.
        step: optimiser steps done.
        best: best monitored recall so far, None before the first validation.
        reached: recall that patience compares with: the best one, or a little less where `min_delta` is asked for.
        stale: validations since then.
        validated: epochs done at the last validation, -1 before the first.
        skipped: of the steps, those that were left out because a gradient was not finite.
        skipped_now: of these, the last ones without a finite step between them.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: float | None = None
    reached: float | None = None
    stale: int = 0
    validated: int = -1
    skipped: int = 0
    skipped_now: int = 0

    def told(self, epochs: int) -> str:
        """What a run of so many epochs says when it is called again."""
        if self.epoch >= epochs:
            return f"this run is finished, after epoch {self.epoch}, step {self.step}; epochs=N trains further"
        return f"going on after epoch {self.epoch}, batch {self.batch}, step {self.step}"

    def measured(self, recall: float, min_delta: float) -> None:
        """The monitored recall of the weights of this epoch; patience begins anew where it gained more than that."""
        self.best = recall if self.best is None else max(self.best, recall)
        gained = self.reached is None or recall > self.reached + min_delta
        self.reached = recall if gained else self.reached
        self.stale = 0 if gained else self.stale + 1
        self.validated = self.epoch


class Learning:
    """What of a task's state training changes.

    Args:
        task: as its recipe makes it, before anything is restored.
    """

    def __init__(self, task: nn.Module) -> None:
        self.task = task
        named = task.named_parameters(remove_duplicate=False)
        self.names = {name for name, parameter in named if not parameter.requires_grad}
        self.frozen_sha256 = named_sha256(self._frozen())

    def state_dict(self) -> dict[str, Any]:
        """Parameters that learn, buffers and extra state."""
        return {name: value for name, value in self.task.state_dict().items() if name not in self.names}

    def restore(self, state: dict[str, Any], frozen_sha256: str, path: Path) -> None:
        """Give the task a saved state.

        Args:
            state: of `state_dict`.
            frozen_sha256: of the run that saved it.
            path: the file it came from.

        Raises:
            StoreError: what does not learn is not what the run began with.
        """
        if frozen_sha256 != self.frozen_sha256:
            raise StoreError(
                f"{path} goes on from other weights than these: what does not learn is not what the run began with. "
                "Bring back the file that initial, foundation or trunk.weights stood for, or choose another --out"
            )
        self.task.load_state_dict({**self._frozen(), **state})

    def _frozen(self) -> dict[str, Tensor]:
        return {name: value for name, value in self.task.state_dict().items() if name in self.names}


def save_state(path: Path, position: Position, parts: dict[str, Any]) -> None:
    """Write position and state dictionaries; a kill leaves the old file or the new one."""
    with replacing(path) as temporary:
        torch.save({"format": FORMAT, "position": dataclasses.asdict(position), **parts}, temporary)


def load_state(path: Path) -> tuple[Position, dict[str, Any]]:
    """Read them back, tensors on the CPU; nothing in the file is run.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content.pop("format") != FORMAT:
            raise StoreError(f"{path} was written by another version of vprkit")
        return Position(**content.pop("position")), content
    except StoreError:
        raise
    except Exception as error:  # a damaged file makes torch raise nearly anything
        raise StoreError(f"{path} cannot be read ({error}); remove it to train from the beginning") from error
