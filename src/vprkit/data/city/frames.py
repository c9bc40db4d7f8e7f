"""Frames: planned photos with their file names and facts; what layouts are made of."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from vprkit.data.city.geo import Position
from vprkit.data.city.options import CityOptions
from vprkit.data.city.shot import Shot


@dataclass(frozen=True)
class Source:
    """The city a shot is taken in and the spot whose surroundings serve it: equal for all shots of one place."""

    seed: int
    places: int
    anchor: tuple[float, float]
    rotation: float


@dataclass(frozen=True)
class Frame:
    """One planned photo."""

    path: str  # below the layout's root, with forward slashes
    shot: Shot
    source: Source
    position: Position
    heading: float  # compass degrees
    place: str
    tags: Mapping[str, str] = field(default_factory=dict)


class Layout(Protocol):
    """An on-disk layout: which photos to take, and the files that go with them."""

    def plan(self, options: CityOptions) -> list[Frame]:
        """All photos, in the order of their place."""
        ...

    def tables(self, frames: Sequence[Frame], texts: Mapping[str, str]) -> dict[str, str]:
        """The content of every file but the photos, by path; `texts` maps paths of photos to descriptions."""
        ...


def write_text(path: Path, text: str) -> None:
    """Write a file as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8", newline="")
    temporary.replace(path)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV with `\\n` line ends."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()
