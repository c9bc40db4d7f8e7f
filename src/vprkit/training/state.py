"""What a run needs to go on exactly where it stopped, in one file that is replaced at once."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vprkit.errors import StoreError
from vprkit.files import replacing

FORMAT = 1


@dataclass
class Position:
    """How far a run has come. Every draw follows from it, so no generator's state is kept.

    Attributes:
        epoch: whole epochs done.
        batch: batches of the next epoch done, at an optimiser step.
        step: optimiser steps done.
        best: best monitored recall so far, None before the first validation.
        stale: validations since then.
        validated: epochs done at the last validation, -1 before the first.
        skipped: of the steps, those that were left out because a gradient was not finite.
        skipped_now: of these, the last ones without a finite step between them.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: float | None = None
    stale: int = 0
    validated: int = -1
    skipped: int = 0
    skipped_now: int = 0


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
