"""Checks of a data set before hours are spent on it; each finding says what, where, and what to do."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from vprkit.data import ground_truth as truths
from vprkit.data import positives as rules
from vprkit.data.benchmark import Benchmark
from vprkit.data.check_protocol import count_findings, damage_hint
from vprkit.data.copies import digests
from vprkit.data.decoding import decode, open_image, orientation_of
from vprkit.data.disk import is_file
from vprkit.data.records import Records
from vprkit.errors import ConfigError, ImageError

Level = Literal["error", "warning", "ok"]
SAMPLE = 200


@dataclass(frozen=True)
class Finding:
    """One line of a check: `error` means results would be wrong, `warning` that a reader should know."""

    level: Level
    check: str
    message: str


ONE = {"database": "database", "queries": "query"}
"""What images of a role are called: database images, query images."""


def _has(amount: int) -> str:
    return "has" if amount == 1 else "have"


def check_benchmark(benchmark: Benchmark, decode_images: str = "sample", radius: float = 25.0) -> list[Finding]:
    """Every check of a benchmark that could be opened.

    Args:
        benchmark: the set.
        decode_images: `all`, `sample` (at most 200 per role) or `none`.
        radius: metres, to tell whether zones change the result.
    """
    if decode_images not in ("all", "sample", "none"):
        raise ConfigError(f"decode must be all, sample or none, got '{decode_images}'")
    counts = list(_counts(benchmark))
    told = {finding.message for finding in counts}
    findings = [Finding("warning", "reading", notice) for notice in benchmark.notices if notice not in told]
    for role, records in benchmark.images().items():
        findings += _files(role, records)
        findings += _coordinates(role, records)
        findings += _texts(role, records)
        if decode_images != "none":
            findings += _pictures(role, records, decode_images, damage_hint(benchmark))
    findings += _copies(benchmark)
    findings += _truth(benchmark)
    findings += _zones(benchmark, radius)
    findings += counts
    return findings


def passed(findings: list[Finding], strict: bool = False) -> bool:
    """True where nothing is wrong (with `strict`: not even a warning)."""
    bad = ("error", "warning") if strict else ("error",)
    return not any(finding.level in bad for finding in findings)


def _files(role: str, records: Records) -> Iterator[Finding]:
    missing = [row for row in range(len(records)) if not is_file(records.path(row))]
    if not missing:
        yield Finding("ok", "files", f"all {len(records)} {ONE[role]} images exist")
        return
    names, lack = ", ".join(records.names[row] for row in missing[:3]), "do not exist"
    if len(missing) == 1:
        lack = "does not exist"
    other = [found.name for row in missing[:100] if (found := _other_suffix(records.path(row))) is not None]
    hint = f"; {len(other)} exist under another suffix, such as {other[0]}: mend the list" if other else ""
    yield Finding(
        "error",
        "files",
        f"{len(missing)} of {len(records)} {ONE[role]} images {lack} in {records.root}, such as {names}{hint}",
    )


def _other_suffix(path: Path) -> Path | None:
    candidates = (path.with_suffix(suffix) for suffix in (".jpg", ".JPG", ".jpeg", ".png", ".PNG"))
    return next((candidate for candidate in candidates if candidate != path and candidate.is_file()), None)


def _coordinates(role: str, records: Records) -> Iterator[Finding]:
    placed = records.has_position
    if not placed.any():
        yield Finding("ok", "positions", f"no {ONE[role]} image has a position")
        return
    if not placed.all():
        example, unplaced = records.names[int(np.flatnonzero(~placed)[0])], int((~placed).sum())
        yield Finding(
            "warning",
            "positions",
            f"{unplaced} of {len(records)} {ONE[role]} images {_has(unplaced)} no position, "
            f"such as {example}; what has none is never a right answer",
        )
    zoned = placed & (records.zone > 0)
    off = np.flatnonzero(
        zoned & ((records.east < 1e5) | (records.east > 9e5) | (records.north < -1) | (records.north > 1.0000001e7))
    )
    if off.size:
        yield Finding(
            "warning",
            "positions",
            f"{off.size} {role} positions are outside their UTM zone's range, such as {records.names[int(off[0])]}",
        )
    if zoned.any() and not zoned[placed].all():
        yield Finding(
            "warning",
            "positions",
            f"{int((placed & ~zoned).sum())} of {int(placed.sum())} {role} positions have no UTM zone while others do",
        )
    degrees = np.flatnonzero((np.abs(records.latitude) > 90) | (np.abs(records.longitude) > 180))
    if degrees.size:
        yield Finding(
            "error",
            "positions",
            f"{degrees.size} {role} latitudes or longitudes are out of range, such as {records.names[int(degrees[0])]}",
        )


def _pictures(role: str, records: Records, how: str, hint: str) -> Iterator[Finding]:
    rows = np.arange(len(records))
    if how == "sample" and len(records) > SAMPLE:
        rows = np.sort(np.random.default_rng(0).choice(len(records), SAMPLE, replace=False))
    with ThreadPoolExecutor(8) as pool:
        looks = list(pool.map(lambda row: _look(records.path(int(row))), rows, chunksize=8))
    broken = [look for look in looks if isinstance(look, str)]
    if broken:
        yield Finding(
            "error",
            "images",
            f"{len(broken)} of {len(rows)} {ONE[role]} images looked at cannot be decoded, such as {broken[0]}{hint}",
        )
    seen = [look for look in looks if not isinstance(look, str)]
    sizes, modes = Counter(look[0] for look in seen), Counter(look[1] for look in seen)
    turned = sum(look[2] not in (0, 1) for look in seen)
    yield Finding(
        "ok", "images", f"{role}: {len(seen)} of {len(records)} decoded; sizes {_common(sizes)}; modes {_common(modes)}"
    )
    if turned:
        yield Finding(
            "warning",
            "images",
            f"{turned} of {len(seen)} {ONE[role]} images {_has(turned)} an EXIF orientation, which "
            "published numbers ignore (--exif-orientation turns them)",
        )


def _look(path: Path) -> tuple[str, str, int] | str:
    """(size, mode, EXIF orientation), or what is wrong."""
    try:
        with open_image(path) as image:
            size, mode, orientation = f"{image.width}x{image.height}", image.mode, orientation_of(image)
        decode(path)
    except ImageError as error:
        return str(error)
    return size, mode, orientation


def _texts(role: str, records: Records) -> Iterator[Finding]:
    if "text" not in records.texts:
        return
    empty = [row for row, text in enumerate(records.texts["text"]) if not text.strip()]
    if empty:
        yield Finding(
            "warning",
            "texts",
            f"{len(empty)} of {len(records)} {ONE[role]} images {_has(len(empty))} no text, such as "
            f"{records.names[empty[0]]}; what has none is compared by image alone",
        )


def _copies(benchmark: Benchmark) -> Iterator[Finding]:
    """The same photo twice. In one role it is a copy; on both sides the query finds itself, whatever the names."""
    database, queries = benchmark.images().values()
    contents = digests(database, queries)
    for role, records, known in zip(("database", "queries"), (database, queries), contents, strict=True):
        first: dict[str, int] = {}
        again = [row for row, digest in enumerate(known) if digest and first.setdefault(digest, row) < row]
        if again:
            example = f"{records.names[again[0]]} = {records.names[first[known[again[0]]]]}"
            are = "is a copy of another" if len(again) == 1 else "are copies of others"
            sentence = f"{len(again)} of {len(records)} {ONE[role]} images {are}, such as {example}"
            yield Finding("warning", "duplicates", sentence)
    where = {digest: row for row, digest in enumerate(contents[0]) if digest}
    leaks = [(row, where[digest]) for row, digest in enumerate(contents[1]) if digest in where]
    if not leaks:
        yield Finding("ok", "leaks", "no query is in the database")
        return
    example = f"{queries.names[leaks[0][0]]} = {database.names[leaks[0][1]]}"
    find, them = ("is also in the database and finds itself", "it") if len(leaks) == 1 else (
        "are also in the database and find themselves", "them")  # fmt: skip
    sentence = f"{len(leaks)} of {len(queries)} queries {find}, such as {example}"
    yield Finding("error", "leaks", f"{sentence}; take {them} out of the database")


def _truth(benchmark: Benchmark) -> Iterator[Finding]:
    if benchmark.positives is None:
        yield Finding("warning", "ground truth", "nothing says which answers are right: rankings only, no recall")
        return
    empty = np.flatnonzero(benchmark.positives.counts == 0)
    summary = f"{benchmark.rule}: {truths.summary(benchmark.positives)}"
    yield Finding("ok", "ground truth", summary)
    if empty.size:
        without = "query has no positive and counts as a miss"
        if empty.size > 1:
            without = "queries have no positive and count as misses"
        yield Finding(
            "warning",
            "ground truth",
            f"{empty.size} {without}, such as {benchmark.queries.names[int(empty[0])]}",
        )


def _zones(benchmark: Benchmark, radius: float) -> Iterator[Finding]:
    zones = rules.crosses_zones(benchmark.database, benchmark.queries)
    if len(zones) < 2:
        return
    flat = rules.planar(benchmark.database, benchmark.queries, radius)
    true = rules.zone_aware(benchmark.database, benchmark.queries, radius)
    if benchmark.areas is not None:
        flat, true = benchmark.areas.within(flat), benchmark.areas.within(true)
    differing = sum(not np.array_equal(a, b) for a, b in zip(flat, true, strict=True))
    words = (
        "planar and zone-aware positives are the same"
        if not differing
        else f"the positives of {differing} queries differ between planar and zone-aware distances"
    )
    yield Finding("warning" if differing else "ok", "zones", f"UTM zones {', '.join(map(str, zones))}: {words}")


def _counts(benchmark: Benchmark) -> Iterator[Finding]:
    for level, message in count_findings(benchmark):
        yield Finding("warning" if level == "warning" else "ok", "counts", message)


def _common(counter: "Counter[str]") -> str:
    return ", ".join(f"{name} ({count})" for name, count in counter.most_common(4)) or "none"
