"""What counts as right: a rule written as text, applied to a database and its queries.

Rules: `zone_aware` or `planar` (by radius), `frames:N` (frame within N, see `frame_axis`), `frames:NxS` (list position
within N of S times the query's), or the path of a CSV file with the columns `query,positives`, positives separated by
`|`. `auto` is `ground_truth.csv` where the data set has one, else what the set itself lists, else the rule of its
layout, else `zone_aware` where there are positions, else none.
"""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vprkit.config import nearest
from vprkit.data import cache
from vprkit.data import positives as rules
from vprkit.data.frame_axis import FrameRule, frame_axis
from vprkit.data.layouts.table import read_rows
from vprkit.data.positives import Positives
from vprkit.data.records import Records
from vprkit.errors import ConfigError, DataError

FILE = "ground_truth.csv"

RULES = 2
"""Version of the rules: positives that others gave are not taken from the cache."""

RADIUS = 25.0
"""Metres within which the field calls a database image right."""

UNSCORED = (
    "no positions on both sides and no ground truth: ranked, not scored; "
    "add ground_truth.csv (query,positives), or positions; see docs/data.md"
)


@dataclass(frozen=True)
class GroundTruth:
    """Positives (None: unlabelled), the rule that gave them in words, and what was odd."""

    positives: Positives | None
    rule: str
    notices: tuple[str, ...] = ()

    def beside(self, listed: "GroundTruth | None") -> "GroundTruth":
        """The same with what is odd in the set's own list, where another rule than that list was asked for."""
        if listed is None or listed is self or listed.positives is None or self.positives is None:
            return self
        said = dataclasses.replace(self, notices=tuple(dict.fromkeys((*self.notices, *listed.notices))))
        pairs = zip(listed.positives, self.positives, strict=True)
        other = sum(not np.array_equal(one, two) for one, two in pairs)
        if not other:
            return said
        return said.saying(
            f"the set itself ({listed.rule}) says otherwise for {other} of {len(self.positives)} queries"
        )

    def saying(self, *sentences: str) -> "GroundTruth":
        """The same with more notices."""
        return dataclasses.replace(self, notices=(*self.notices, *sentences))


@dataclass(frozen=True)
class Known:
    """What a layout knows of the truth before a rule is asked for.

    Attributes:
        truth: positives that the set lists.
        rule: the rule its readers use.
        period: queries of one traverse, where several follow each other.
        points: (D, 3) and (Q, 3) metres that take the place of UTM positions.
        file: the set's `ground_truth.csv`, where it speaks of these queries.
    """

    truth: GroundTruth | None = None
    rule: str = ""
    period: int | None = None
    points: tuple[np.ndarray, np.ndarray] | None = None
    file: Path | None = None


def listed_beside(root: Path, queries: Records, chosen: bool) -> Path | None:
    """`ground_truth.csv` of a set; None where there is none, or where queries were chosen that it does not speak of."""
    path = root / FILE
    if not path.is_file():
        return None
    first = next((row.get("query", "") for _, row in read_rows(path)), "").strip() if chosen else ""
    return path if not first or first in _by_name(queries, "queries") else None


def resolve(
    rule: str, root: Path, database: Records, queries: Records, radius: float, strict: bool, known: Known | None = None
) -> GroundTruth:
    """Apply a rule (see the module's text).

    Args:
        rule: the rule.
        root: the data set's folder, which files of truth may be named relative to.
        radius: metres, for the rules by radius.
        strict: an unreadable UTM zone is an error instead of a counted notice.
        known: what the layout says.
    """
    known = known or Known()
    listed = rule == "auto" and known.file is None
    if rule == "auto":
        rule = FILE if known.file is not None else known.rule or _choose(database, queries)
    by_radius = rule in ("zone_aware", "planar") and not (listed and known.truth)
    unused: tuple[str, ...] = ()
    if radius != RADIUS and not by_radius:
        unused = (f"the radius of {radius:g} m is not used: the positives are not told by distance",)
    if listed and known.truth is not None:
        return GroundTruth(known.truth.positives, known.truth.rule, (*known.truth.notices, *unused))
    if rule == "none":
        return GroundTruth(None, "unlabelled", (UNSCORED,))
    if by_radius and known.points is not None:
        return GroundTruth(rules.within_radius(*known.points, radius), f"within {radius:g} m of the camera, in space")
    if by_radius:
        return _by_radius(rule, database, queries, radius, strict)
    if rule.startswith("frames:"):
        return _by_frames(rule, database, queries, known.period).saying(*unused)
    path = _locate_file(rule, root)
    return GroundTruth(read_csv(path, database, queries), f"listed in {path.name}", unused)


def _by_frames(text: str, database: Records, queries: Records, period: int | None) -> GroundTruth:
    rule = FrameRule.read(text)
    axis = frame_axis(database, queries, rule.stride, period)
    found = rules.frame_window(axis.database, axis.queries, rule.window)
    position = "the query's" if rule.stride == 1 else f"{rule.stride} times the query's"
    return GroundTruth(found, f"{axis.what} within {rule.window} of {position}", axis.notices)


def read_csv(path: Path, database: Records, queries: Records) -> Positives:
    """Positives of a `query,positives` file; queries it does not mention have none.

    Raises:
        DataError: a column is missing, or a name is not among the images; the line is named.
    """
    numbers_of_database, numbers_of_queries = _by_name(database, "database"), _by_name(queries, "queries")
    lists: list[list[int]] = [[] for _ in range(len(queries))]
    for line, row in read_rows(path):
        if "query" not in row or "positives" not in row:
            raise DataError(f"{path}: needs the columns 'query' and 'positives', has {', '.join(row)}")
        query = _look_up(numbers_of_queries, row["query"], f"{path}, line {line}: query")
        for name in filter(None, row["positives"].split("|")):
            lists[query].append(_look_up(numbers_of_database, name, f"{path}, line {line}: positive"))
    return Positives.of(lists)


def _choose(database: Records, queries: Records) -> str:
    return "zone_aware" if database.any_position and queries.any_position else "none"


def _by_radius(rule: str, database: Records, queries: Records, radius: float, strict: bool) -> GroundTruth:
    for role, records in (("database", database), ("queries", queries)):
        if not records.any_position:
            raise DataError(
                f"ground truth by radius needs positions, but no image of the {role} in {records.root} "
                "has one; give a ground-truth file or frames:N"
            )
    if not radius > 0:
        raise ConfigError(f"the radius must be positive metres, got {radius}")
    words = f"within {radius:g} m, {'zones respected' if rule == 'zone_aware' else 'planar, zones ignored'}"
    if rule == "planar":
        return GroundTruth(kept_positives(rules.planar, database, queries, radius), words)
    unreadable = rules.count_unreadable_zones(database, queries)
    sentence = f"{unreadable} records have no readable UTM zone and are compared by their bare numbers"
    if unreadable and strict:
        raise DataError(f"{sentence}; mend the names, or leave out --strict")
    found = kept_positives(rules.zone_aware, database, queries, radius)
    return GroundTruth(found, words, (sentence,) if unreadable else ())


def kept_positives(
    rule: Callable[[Records, Records, float], Positives], database: Records, queries: Records, radius: float
) -> Positives:
    """A rule's positives; for a database whose list is known by its content they are kept in the user's cache."""
    if not database.key:
        return rule(database, queries, radius)
    key = cache.key_of("positives", f"{rule.__name__}-{RULES}", database.key, _content(queries), float(radius).hex())
    kept = cache.load("positives", key)
    if kept is not None:
        return Positives(kept[1]["offsets"], kept[1]["numbers"])
    found = rule(database, queries, radius)
    with cache.writing("positives", key) as entry:
        if entry is not None:
            entry.append("offsets", found.offsets)
            entry.append("numbers", found.numbers)
            entry.keep({"rule": rule.__name__, "radius": radius})
    return found


def _content(records: Records) -> str:
    """A key of everything that a rule looks at."""
    if records.key:
        return records.key
    digest = hashlib.sha256(records.list_hash().encode())
    for column in (records.east, records.north, records.zone, records.south, records.latitude, records.longitude):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def _locate_file(rule: str, root: Path) -> Path:
    for path in (Path(rule), root / rule):
        if path.is_file():
            return path
    known = ("auto", "zone_aware", "planar", "frames:N", *sorted(path.name for path in root.glob("*.csv")))
    raise ConfigError(f"ground truth '{rule}' is neither a rule nor a file here or in {root}{nearest(rule, known)}")


def _by_name(records: Records, role: str) -> dict[str, int]:
    """Number by name, with and without the folder of the role in front; short names that fit several are left out."""
    numbers = records.names.numbered()
    shortened = [(name.split("/", 1)[1], number) for name, number in numbers.items() if "/" in name]
    counts = Counter(name for name, _ in shortened)
    short = {name: number for name, number in shortened if counts[name] == 1}
    prefixed = {f"{role}/{name}": number for name, number in numbers.items()}
    return {**prefixed, **short, **numbers}


def _look_up(numbers: dict[str, int], name: str, where: str) -> int:
    try:
        return numbers[name.strip()]
    except KeyError:
        raise DataError(f"{where} '{name}' is not among the images of that role, or fits several") from None


def summary(positives: Positives) -> str:
    """`57 queries, 1 without a positive, 1 to 12 positives each`."""
    counts = positives.counts
    if not len(counts):
        return "no queries"
    empty = int((counts == 0).sum())
    some = counts[counts > 0]
    spread = f", {some.min()} to {some.max()} positives each (mean {np.mean(some):.1f})" if some.size else ""
    return f"{len(counts)} queries, {empty} without a positive{spread}"
