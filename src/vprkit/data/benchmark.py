"""Evaluation sets: a database, queries, and what is right for each query."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vprkit.config import nearest
from vprkit.data import ground_truth as truths
from vprkit.data.folders import read_folder
from vprkit.data.layouts.layout import layouts
from vprkit.data.layouts.table import read_records
from vprkit.data.positives import Positives
from vprkit.data.records import Records
from vprkit.errors import ConfigError, DataError

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Benchmark:
    """An evaluation set.

    Attributes:
        name: what results call it.
        database, queries: the images.
        positives: database numbers that are right per query; None where nothing says so.
        rule: how the positives were found, in words.
        notices: what reading found odd, one sentence each.
    """

    name: str
    database: Records
    queries: Records
    positives: Positives | None
    rule: str
    notices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.positives is None:
            return
        if len(self.positives) != len(self.queries):
            raise DataError(
                f"{self.name}: ground truth for {len(self.positives)} queries, but there are {len(self.queries)}"
            )
        numbers = self.positives.numbers
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(self.database):
            raise DataError(
                f"{self.name}: ground truth names database image {numbers.max()}, but there are only "
                f"{len(self.database)}"
            )

    def take_queries(self, rows: np.ndarray) -> "Benchmark":
        """The same with only these queries, in this order."""
        kept = None if self.positives is None else Positives.of([self.positives[int(row)] for row in rows])
        return dataclasses.replace(self, queries=self.queries.take(rows), positives=kept)


def open_benchmark(
    path: str | Path,
    split: str = "test",
    *,
    ground_truth: str | Path = "auto",
    radius: float = truths.RADIUS,
    queries: str | None = None,
    strict: bool = False,
) -> Benchmark:
    """Read an evaluation set in the layout it came in.

    Args:
        path: its folder.
        split: `train`, `val` or `test`, where the folder holds several.
        ground_truth: `auto`, `zone_aware`, `planar`, `frames:N` or a file (see `vprkit.data.ground_truth`).
        radius: metres within which a database image is right, inclusive.
        queries: folder of the queries where there are several (`queries_night`).
        strict: unreadable UTM zones are an error.

    Raises:
        DataError: no such folder, no layout fits, or something in it cannot be read; the place is named.
    """
    path = Path(path)
    if split not in SPLITS:
        raise ConfigError(f"split '{split}' is unknown{nearest(split, SPLITS)}")
    if not path.is_dir():
        raise DataError(f"{path}: there is no such folder; give the folder that holds database/ and queries/")
    known = layouts()
    roles = next((found for layout in known if (found := layout.read(path, split, queries)) is not None), None)
    if roles is None:
        inside = ", ".join(sorted(entry.name for entry in path.iterdir())[:8]) or "nothing"
        summaries = "; ".join(layout.summary for layout in known)
        raise DataError(f"{path}: no known layout for split '{split}' (it holds {inside}). Understood: {summaries}")
    truth = truths.resolve(str(ground_truth), roles.root, roles.database, roles.queries, radius, strict)
    unused = roles.root == path and split != "test"
    name = path.resolve().name if roles.root == path else f"{path.resolve().name}-{split}"
    flat = (f"the folder has no splits: '{split}' was not looked for",) if unused else ()
    notices = (*flat, *roles.notices, *roles.database.notices, *roles.queries.notices, *truth.notices)
    return Benchmark(name, roles.database, roles.queries, truth.positives, truth.rule, tuple(dict.fromkeys(notices)))


def open_records(path: str | Path, root: str | Path | None = None) -> Records:
    """Photos for a map: a folder (positions in `@` names, EXIF or none) or a CSV file (see `layouts.table`).

    Args:
        path: the folder or the CSV file.
        root: folder that names are relative to (default: the folder itself, or the CSV file's folder).
    """
    path = Path(path)
    folder = None if root is None else Path(root)
    if path.is_dir():
        return read_folder(path, folder)
    if path.suffix.lower() == ".csv":
        return read_records(path, folder)
    raise DataError(f"{path}: there is no such folder or CSV file of photos")
