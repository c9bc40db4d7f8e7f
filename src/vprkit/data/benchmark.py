"""Evaluation sets: a database, queries, and what is right for each query."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vprkit.data import ground_truth as truths
from vprkit.data.areas import Areas
from vprkit.data.asked import Asked
from vprkit.data.conditions import with_conditions
from vprkit.data.copies import shared_names
from vprkit.data.descriptions import read_descriptions, with_texts
from vprkit.data.folders import read_folder
from vprkit.data.layouts.finding import first_that_fits, why_nothing_fits
from vprkit.data.layouts.layout import Request, Roles
from vprkit.data.layouts.table import read_records
from vprkit.data.positives import Positives
from vprkit.data.protocols import Protocol, find_protocol
from vprkit.data.query_lists import listed_queries
from vprkit.data.records import Records
from vprkit.data.sequences import Sequenced
from vprkit.errors import ConfigError, DataError


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
        search_inside: a query is searched for in its own area only.
        listed: queries before those without a positive were left out; None where none were.
        utm_of_degrees: `@` names of this set take UTM from the degrees and leave headings out, as its formatter does.
        split: which part of the set it is.
        frames: images of every item, where items are sequences; `database` and `queries` hold their centre frames.
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
    search_inside: bool = False
    utm_of_degrees: bool = False
    listed: int | None = None
    frames: Sequenced | None = None
    split: str = "test"

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

    def __repr__(self) -> str:
        """One line: notebooks show it, and the columns may hold millions."""
        items = "images" if self.frames is None else "sequences"
        return (f"Benchmark('{self.name}', database {items}: {len(self.database)}, queries: {len(self.queries)}, "
                f"truth: {self.rule})")  # fmt: skip

    def images(self) -> dict[str, Records]:
        """Every image of each role: of sequences all frames."""
        if self.frames is None:
            return {"database": self.database, "queries": self.queries}
        return {"database": self.frames.database.records, "queries": self.frames.queries.records}

    def take_queries(self, rows: np.ndarray) -> "Benchmark":
        """The same with only these queries, in this order."""
        rows = np.asarray(rows)
        return dataclasses.replace(
            self,
            queries=self.queries.take(rows),
            positives=None if self.positives is None else self.positives.take(rows),
            areas=None if self.areas is None else self.areas.take_queries(rows),
            ignored=None if self.ignored is None else self.ignored.take(rows),
            frames=None if self.frames is None else self.frames.take_queries(rows),
        )

    def answerable(self) -> "Benchmark":
        """The same without queries that have no positive, as the readers of some sets do; says how many went."""
        if self.positives is None or self.positives.counts.all():
            return self
        kept = np.flatnonzero(self.positives.counts)
        gone = len(self.queries) - len(kept)
        verbs = ("has", "was") if gone == 1 else ("have", "were")
        sentence = (f"{gone} of {len(self.queries)} queries {verbs[0]} no positive and {verbs[1]} left out, as the "
                    "set's readers do")  # fmt: skip
        return dataclasses.replace(
            self.take_queries(kept), notices=(*self.notices, sentence), listed=self.listed or len(self.queries)
        )


def open_benchmark(
    path: str | Path,
    split: str | None = None,
    *,
    protocol: str | None = None,
    ground_truth: str | Path | None = None,
    radius: float | None = None,
    queries: str | None = None,
    database: str | None = None,
    variant: str | None = None,
    strict: bool = False,
    subtask: str | None = None,
    cities: Sequence[str] | None = None,
    task: str | None = None,
    length: int | None = None,
    panoramas: bool = False,
    images: str | Path | None = None,
    answerable_only: bool | None = None,
    per_city: bool | None = None,
    query_list: str | Path | None = None,
    texts: str | Path | None = None,
) -> Benchmark:
    """Read an evaluation set in the layout it came in.

    Args:
        path: its folder.
        split: `train`, `val` or `test` (default), where the folder holds several.
        protocol: name of a published protocol (see `vprkit.data.protocols`), which fixes split, ground truth, radius,
            roles, subtask, cities, task, panoramas and what is counted; counts that differ from the published ones are
            said.
        ground_truth: `auto` (default), `zone_aware`, `planar`, `frames:N` or a file (see `vprkit.data.ground_truth`).
        radius: metres within which a database image is right, inclusive (default: the set's own, else 25).
        queries, database: folder of that role where there are several (`queries_night`, `summer`).
        variant: which set, where several share a folder (`pitts250k`).
        strict: unreadable UTM zones are an error.
        subtask: part of Mapillary SLS: `all`, `s2w`, `w2s`, `o2n`, `n2o`, `d2n` or `n2d`.
        cities: only these, where a set has cities.
        task: of Mapillary SLS: `im2im` (default), `seq2seq`, `seq2im` or `im2seq`: what asks and what answers.
        length: frames per sequence, odd (default 3).
        panoramas: keep panoramas, where a set names them.
        images: folder of the images, where index files lie apart from them.
        answerable_only: leave out queries without a positive (default: as the set's own readers do).
        per_city: search in the query's city only, where a set has cities (default: as its benchmark does).
        query_list: a text file of names or keys, one a line, or a CSV of LaVPR (`image_path`): only these queries are
            kept.
        texts: a CSV of descriptions (`image_path,description`) to attach to the images.

    Raises:
        DataError: no such folder, no layout fits, or something in it cannot be read; the place is named.
        ConfigError: the protocol fixes what is asked for otherwise, or an option means nothing for this set.
    """
    path = Path(path)
    chosen = None if protocol is None else find_protocol(protocol)
    asked = Asked.of(chosen, {
        "split": split, "ground_truth": None if ground_truth is None else str(ground_truth), "radius": radius,
        "queries": queries, "database": database, "variant": variant, "subtask": subtask,
        "cities": None if cities is None else tuple(cities), "task": task, "length": length,
        "panoramas": panoramas or None, "answerable_only": answerable_only, "per_city": per_city,
    })  # fmt: skip
    if not path.is_dir():
        raise DataError(f"{path}: there is no such folder; give the folder that holds database/ and queries/")
    request = asked.request(path, None if images is None else Path(images))
    roles = with_conditions(_found(request, chosen), path)
    asked.refuse_unused(path, roles)
    if texts is not None:
        roles = with_texts(roles, Path(texts))
    listed = truths.listed_beside(roles.root, roles.queries, request.queries is not None)
    rule = asked.ground_truth
    if chosen is not None and not chosen.decides_window and (roles.truth is not None or listed is not None):
        rule = "auto"  # what the set lists is what its protocol means
    benchmark = _labelled(request, roles, rule, asked.radius, strict, listed)
    if query_list is not None:
        benchmark = benchmark.take_queries(listed_queries(Path(query_list), benchmark.queries))
    drop = roles.answerable_only if asked.answerable_only is None else asked.answerable_only
    benchmark = benchmark.answerable() if drop else benchmark
    inside = roles.search_inside if asked.per_city is None else asked.per_city
    if inside and benchmark.areas is None:
        raise ConfigError(f"{path}: has no cities, so a search cannot stay inside them")
    return _named_by(chosen, dataclasses.replace(benchmark, search_inside=inside))


def _named_by(protocol: Protocol | None, benchmark: Benchmark) -> Benchmark:
    """The benchmark with its protocol's name, and a notice first of all where the counts differ."""
    if protocol is None:
        return benchmark
    warning = protocol.warning(len(benchmark.database), len(benchmark.queries), benchmark.listed)
    said = (*([warning] if warning else []), *([f"{protocol.name}: {protocol.caution}"] if protocol.caution else []))
    return dataclasses.replace(benchmark, protocol=protocol.name, notices=(*said, *benchmark.notices))


def _found(request: Request, protocol: Protocol | None) -> Roles:
    """What the first layout that fits says.

    A protocol's seasons or traverses are folders in one layout and already roles in another (the `@` layout).
    """
    tries = [request]
    if protocol is not None and "database" in protocol.select:
        tries.append(dataclasses.replace(request, database=None, queries=None))
    roles = next((found for each in tries if (found := first_that_fits(each)) is not None), None)
    if roles is None:
        raise DataError(why_nothing_fits(request))
    return roles


def _labelled(
    request: Request, roles: Roles, rule: str, radius: float | None, strict: bool, listed: Path | None
) -> Benchmark:
    """The benchmark with its ground truth."""
    metres = radius if radius is not None else roles.radius or truths.RADIUS
    known = truths.Known(roles.truth, roles.rule, roles.period, roles.points, listed)
    truth = (
        truths.resolve(rule, roles.root, roles.database, roles.queries, metres, strict, known)
        if roles.frames is None or roles.truth is None
        else roles.truth
    )
    positives = truth.positives
    if positives is not None and roles.areas is not None:
        positives = roles.areas.within(positives)
    path = request.path
    unused = roles.root == path and request.split != "test" and not roles.of_split
    name = path.resolve().name if roles.root == path else f"{path.resolve().name}-{request.split}"
    if rule == "auto" and listed is None and (roles.root / truths.FILE).is_file():
        truth = truth.saying(
            f"{truths.FILE} speaks of other queries than those of {request.queries}, so it was not used"
        )
    truth = truth.beside(roles.truth)
    listed_truth = None if roles.truth is None else roles.truth.positives
    # What is nearly right belongs to the list it came with: under another rule it may be right or wrong.
    ignored = roles.ignored if positives and listed_truth and positives.same_as(listed_truth) else None
    flat = (f"the folder has no splits: '{request.split}' was not looked for",) if unused else ()
    notices = (
        *flat,
        *shared_names(roles.database, roles.queries),
        *roles.notices,
        *roles.database.notices,
        *roles.queries.notices,
        *truth.notices,
    )
    return Benchmark(name, roles.database, roles.queries, positives, truth.rule, tuple(dict.fromkeys(notices)),
                     roles.areas, ignored, utm_of_degrees=roles.utm_of_degrees, frames=roles.frames,
                     split=request.split)  # fmt: skip


def open_records(path: str | Path, root: str | Path | None = None, texts: str | Path | None = None) -> Records:
    """Photos for a map: a folder (positions in `@` names, EXIF or none) or a CSV file (see `layouts.table`).

    Args:
        path: the folder or the CSV file.
        root: folder that names are relative to (default: the folder itself, or the CSV file's folder).
        texts: a CSV of descriptions (`image_path,description`) to attach to them.
    """
    path = Path(path)
    folder = None if root is None else Path(root)
    if path.is_dir() or path.suffix.lower() == ".csv":
        records = read_folder(path, folder) if path.is_dir() else read_records(path, folder)
        return records if texts is None else read_descriptions(texts).attach(records)
    raise DataError(f"{path}: there is no such folder or CSV file of photos")
