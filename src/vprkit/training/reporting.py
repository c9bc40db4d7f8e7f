"""What a run tells those who watch it."""

from dataclasses import dataclass
from typing import Protocol


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
