"""Evaluation sets: a database, queries, and what is right for each query."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vprkit.config import nearest
from vprkit.data import ground_truth as truths
from vprkit.data.areas import Areas
from vprkit.data.conditions import with_conditions
from vprkit.data.descriptions import read_descriptions
from vprkit.data.folders import read_folder
from vprkit.data.layouts.layout import Request, Roles, layouts
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
        areas: parts that a search stays inside (cities), if any.
        ignored: answers that count as neither right nor wrong, per query, if any.
        protocol: name of the published protocol it was opened by, if any.
    """

    name: str
    database: Records
    queries: Records
    positives: Positives | None
    rule: str
    notices: tuple[str, ...] = ()
    areas: Areas | None = None
    ignored: Positives | None = None
    protocol: str | None = None

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
        rows = np.asarray(rows)
        return dataclasses.replace(
            self,
            queries=self.queries.take(rows),
            positives=None if self.positives is None else self.positives.take(rows),
            areas=None if self.areas is None else self.areas.take_queries(rows),
            ignored=None if self.ignored is None else self.ignored.take(rows),
        )

    def answerable(self) -> "Benchmark":
        """The same without queries that have no positive, as the readers of some sets do; says how many went."""
        if self.positives is None or self.positives.counts.all():
            return self
        kept = np.flatnonzero(self.positives.counts)
        gone = len(self.queries) - len(kept)
        sentence = f"{gone} of {len(self.queries)} queries have no positive and were left out, as the set's readers do"
        return dataclasses.replace(self.take_queries(kept), notices=(*self.notices, sentence))


def open_benchmark(
    path: str | Path,
    split: str = "test",
    *,
    ground_truth: str | Path = "auto",
    radius: float | None = None,
    queries: str | None = None,
    database: str | None = None,
    variant: str | None = None,
    strict: bool = False,
    subtask: str = "all",
    cities: Sequence[str] | None = None,
    panoramas: bool = False,
    images: str | Path | None = None,
    answerable_only: bool | None = None,
    texts: str | Path | None = None,
) -> Benchmark:
    """Read an evaluation set in the layout it came in.

    Args:
        path: its folder.
        split: `train`, `val` or `test`, where the folder holds several.
        ground_truth: `auto`, `zone_aware`, `planar`, `frames:N` or a file (see `vprkit.data.ground_truth`).
        radius: metres within which a database image is right, inclusive (default: the set's own, else 25).
        queries, database: folder of that role where there are several (`queries_night`, `summer`).
        variant: which set, where several share a folder (`pitts250k`).
        strict: unreadable UTM zones are an error.
        subtask: part of Mapillary SLS: `all`, `s2w`, `w2s`, `o2n`, `n2o`, `d2n` or `n2d`.
        cities: only these, where a set has cities.
        panoramas: keep panoramas, where a set names them.
        images: folder of the images, where index files lie apart from them.
        answerable_only: leave out queries without a positive (default: as the set's own readers do).
        texts: a CSV of descriptions (`image_path,description`) to attach to the images.

    Raises:
        DataError: no such folder, no layout fits, or something in it cannot be read; the place is named.
    """
    path = Path(path)
    if split not in SPLITS:
        raise ConfigError(f"split '{split}' is unknown{nearest(split, SPLITS)}")
    if not path.is_dir():
        raise DataError(f"{path}: there is no such folder; give the folder that holds database/ and queries/")
    request = Request(
        path, split, database, queries, variant, subtask, None if cities is None else tuple(cities), panoramas,
        None if images is None else Path(images),
    )  # fmt: skip
    roles = with_conditions(_found(request))
    if texts is not None:
        described = read_descriptions(texts)
        both = (described.attach(roles.database), described.attach(roles.queries))
        roles = dataclasses.replace(roles, database=both[0], queries=both[1])
    benchmark = _labelled(request, roles, str(ground_truth), radius, strict)
    drop = roles.answerable_only if answerable_only is None else answerable_only
    return benchmark.answerable() if drop else benchmark


def _found(request: Request) -> Roles:
    """What the first layout that fits says."""
    known = layouts()
    roles = next((found for layout in known if (found := layout.read(request)) is not None), None)
    if roles is None:
        inside = ", ".join(sorted(entry.name for entry in request.path.iterdir())[:8]) or "nothing"
        summaries = "; ".join(layout.summary for layout in known)
        raise DataError(
            f"{request.path}: no known layout for split '{request.split}' (it holds {inside}). Understood: {summaries}"
        )
    return roles


def _labelled(request: Request, roles: Roles, rule: str, radius: float | None, strict: bool) -> Benchmark:
    """The benchmark with its ground truth."""
    metres = radius if radius is not None else roles.radius or truths.RADIUS
    known = truths.Known(roles.truth, roles.rule, roles.points)
    truth = truths.resolve(rule, roles.root, roles.database, roles.queries, metres, strict, known)
    positives = truth.positives
    if positives is not None and roles.areas is not None:
        positives = roles.areas.within(positives)
    path = request.path
    unused = roles.root == path and request.split != "test"
    name = path.resolve().name if roles.root == path else f"{path.resolve().name}-{request.split}"
    flat = (f"the folder has no splits: '{request.split}' was not looked for",) if unused else ()
    notices = (*flat, *roles.notices, *roles.database.notices, *roles.queries.notices, *truth.notices)
    return Benchmark(name, roles.database, roles.queries, positives, truth.rule, tuple(dict.fromkeys(notices)),
                     roles.areas, roles.ignored)  # fmt: skip


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
