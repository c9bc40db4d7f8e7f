"""The three roles in checking a description; any object with these methods will do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class ObjectLister(Protocol):
    """Reads a text."""

    def list(self, text: str) -> Sequence[str]:
        """Things and surfaces that could be seen: singular, without colours, no sky, people, vehicles or writing."""


class Detector(Protocol):
    """Looks for things in an image."""

    def score(self, image: Path, objects: Sequence[str]) -> Sequence[float]:
        """For each object how sure it is that the image shows one, 0 to 1."""


class Verifier(Protocol):
    """Answers questions about an image."""

    def visible(self, image: Path, objects: Sequence[str]) -> Sequence[bool | None]:
        """For each object whether the image shows one; None where it could not be told."""
