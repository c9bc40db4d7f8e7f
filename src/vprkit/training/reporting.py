"""What a run tells those who watch it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

BROKEN = "broken.txt"


@dataclass(frozen=True)
class Pace:
    """Where an epoch stands after a batch.

    Attributes:
        epoch: 1-based; `epochs` in all.
        batch: batches done; `batches` in all.
        images: images of all ranks since the last report.
        loss: of the last optimiser step.
        rate: learning rate of it.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    images: int
    loss: float
    rate: float


class Reporter(Protocol):
    """Receives what happens, on the first rank."""

    def pace(self, pace: Pace) -> None:
        """After every batch."""

    def describing(self, what: str, done: int, total: int) -> None:
        """While validation describes images."""

    def say(self, sentence: str) -> None:
        """A line worth reading: what is trained, recalls, files written, images skipped."""


class Silent:
    """Tells nobody."""

    def pace(self, pace: Pace) -> None:
        pass

    def describing(self, what: str, done: int, total: int) -> None:
        pass

    def say(self, sentence: str) -> None:
        pass


def name_broken(broken: Mapping[str, str], folder: Path, reporter: Reporter) -> None:
    """Say which images a run skipped, and list all of them in its folder.

    Args:
        broken: name -> why.
        folder: of the run.
        reporter: is told the first few.
    """
    reasons = [why for _, why in sorted(broken.items())]
    if not reasons:
        return
    more = f" and {len(reasons) - 5} more, see {folder / BROKEN}" if len(reasons) > 5 else ""
    reporter.say(f"{len(reasons)} images could not be read and were left out: {'; '.join(reasons[:5])}{more}")
    (folder / BROKEN).write_text("".join(f"{why}\n" for why in reasons), encoding="utf-8")
