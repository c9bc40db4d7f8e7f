"""What a layout is: a way to find a database and its queries under a folder. One file of this package per layout."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vprkit.data.areas import Areas
from vprkit.data.columns import StringColumn
from vprkit.data.ground_truth import GroundTruth
from vprkit.data.positives import Positives
from vprkit.data.records import Records
from vprkit.data.sequences import Sequenced


@dataclass(frozen=True)
class Request:
    """What of a set is asked for; a layout takes what it knows and leaves the rest.

    Attributes:
        path: the folder.
        split: train, val or test.
        database, queries: folder of each role where there are several (`summer`, `queries_night`).
        variant: which of several sets that share a folder (`pitts250k`).
        subtask: part of Mapillary SLS (`all`, `s2w`, ...).
        cities: only these cities, where a set has cities.
        panoramas: keep panoramas, where a set names them.
        images: folder of the images, where it is not the set's (index files that lie apart).
        task, length: what asks and answers in Mapillary SLS, and frames per sequence.
        radius: metres asked for, for a layout that finds positives itself.
    """

    path: Path
    split: str = "test"
    database: str | None = None
    queries: str | None = None
    variant: str | None = None
    subtask: str = "all"
    cities: tuple[str, ...] | None = None
    panoramas: bool = False
    images: Path | None = None
    task: str = "im2im"
    length: int = 3
    radius: float | None = None


@dataclass(frozen=True)
class Roles:
    """Database and queries as a layout found them.

    Attributes:
        root: holds them and, where there is one, `ground_truth.csv`.
        truth: positives that the set itself lists.
        rule: the rule its readers use where none is asked for; empty: chosen by what is there (see `ground_truth`).
        radius: metres that the set itself states.
        areas: parts that a search stays inside.
        ignored: answers that are neither right nor wrong, per query.
        period: queries of one traverse, where several follow each other.
        points: (D, 3) and (Q, 3) metres for rules by radius, where a position is not UTM.
        utm_of_degrees: the `@` formatter of the set takes UTM from the degrees, not from the set's own metres.
        search_inside: the set's benchmark searches a query's own area only.
        answerable_only: queries without a positive are left out, as the set's readers do.
        frames: images of every item, where items are sequences; the records are their centres.
        of_split: the split chose what was read, though it has no folder of its own (lists per split).
        text_prefixes: what readers put before the description of each image, database and queries.
    """

    root: Path
    database: Records
    queries: Records
    notices: tuple[str, ...] = ()
    truth: GroundTruth | None = None
    rule: str = ""
    radius: float | None = None
    areas: Areas | None = None
    ignored: Positives | None = None
    period: int | None = None
    points: tuple[np.ndarray, np.ndarray] | None = None
    utm_of_degrees: bool = False
    search_inside: bool = False
    answerable_only: bool = False
    frames: Sequenced | None = None
    of_split: bool = False
    text_prefixes: tuple[StringColumn, StringColumn] | None = None


@dataclass(frozen=True)
class Layout:
    """A way to lay out an evaluation set on disk.

    Attributes:
        name, summary: for `vpr data list`.
        read: a `Request` -> `Roles`, or None where the folder is not of this layout.
        order: layouts are tried in ascending order; the more specific come first.
        chooses: whether there are several folders of queries or database images to choose from.
    """

    name: str
    summary: str
    read: Callable[[Request], Roles | None]
    order: int = 50
    chooses: bool = True

    def knows(self, request: Request) -> bool:
        """Whether a choice of folders means anything here; one that is passed over in silence would mislead."""
        return self.chooses or (request.queries is None and request.database is None)


def layouts() -> list[Layout]:
    """Every layout: each module of this package that has a `LAYOUT`."""
    package = importlib.import_module("vprkit.data.layouts")
    modules = (
        importlib.import_module(f"vprkit.data.layouts.{info.name}") for info in pkgutil.iter_modules(package.__path__)
    )
    found = [module.LAYOUT for module in modules if hasattr(module, "LAYOUT")]
    return sorted(found, key=lambda layout: (layout.order, layout.name))


def split_folders(path: Path, split: str) -> list[Path]:
    """Where a split may lie: `path/images/<split>`, `path/<split>`, or `path` itself."""
    candidates = [path / "images" / split, path / split, path]
    return [folder for folder in candidates if folder.is_dir()]
