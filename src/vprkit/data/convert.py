"""A set written anew, in the `@` layout or as folders with CSV tables; the source stays as it is unless asked."""

import csv
import dataclasses
import io
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from vprkit.config import nearest
from vprkit.data.benchmark import Benchmark
from vprkit.data.decoding import decode
from vprkit.data.disk import is_file
from vprkit.data.ground_truth import FILE as TRUTH
from vprkit.data.layouts.at import format_mock_name, format_name, parse_name
from vprkit.data.records import Record, Records
from vprkit.errors import ConfigError, DataError, VprError
from vprkit.files import refuse_folder, write_atomically

FORMS = ("at", "csv")
FILES = ("copy", "link", "move")
QUALITY = 95
COLUMNS = ("path", "lat", "lon", "east", "north", "zone", "heading", "time", "condition", "place", "text")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Written:
    """What a conversion did: where the roles lie and how many images each has."""

    root: Path
    database: int
    queries: int
    reencoded: int
    truth: bool
    lost: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        yield f"{self.root}: {self.database} database images, {self.queries} queries"
        if self.reencoded:
            yield f"{self.reencoded} images were re-encoded as JPEG of quality {QUALITY}: figures may differ slightly"
        if not self.truth:
            yield "no ground truth is known, so none was written"
        yield from self.lost


@dataclass(frozen=True)
class Conversion:
    """How to convert.

    Attributes:
        form: `at` (names tell positions) or `csv` (tables do).
        files: `copy`, `link` (symbolic links to the source) or `move`.
        jpeg: re-encode what is no JPEG; else bytes and suffixes stay.
    """

    form: str = "at"
    files: str = "copy"
    jpeg: bool = False

    def __post_init__(self) -> None:
        for value, known in ((self.form, FORMS), (self.files, FILES)):
            if value not in known:
                raise ConfigError(f"'{value}' is unknown{nearest(value, known)}; there are {', '.join(known)}")

    def write(
        self, benchmark: Benchmark, out: Path, *, overwrite: bool = False, progress: Progress | None = None
    ) -> Written:
        """Write a benchmark into a new folder; its positives go into `ground_truth.csv`, so that they stay as they are.

        Raises:
            ConfigError: the set is one of sequences.
            DataError: an image is missing, or two would get the same name.
            VprError: the folder exists and holds something, or holds images of the set itself.
        """
        if benchmark.frames is not None:
            raise ConfigError("neither layout holds sequences; convert the set's single images (task im2im)")
        refuse_folder(out, overwrite)
        _refuse_own_images(benchmark, out)
        root = out / "images" / benchmark.split if self.form == "at" else out
        names = {
            role: self._names(benchmark, role, records)
            for role, records in (("database", benchmark.database), ("queries", benchmark.queries))
        }
        total, done, reencoded = len(benchmark.database) + len(benchmark.queries), 0, 0
        for role, records in (("database", benchmark.database), ("queries", benchmark.queries)):
            for row, name in enumerate(names[role]):
                reencoded += self._place(records.path(row), root / name)
                done += 1
                if progress is not None and (done % 64 == 0 or done == total):
                    progress(done, total)
        if self.form == "csv":
            for role, records in (("database", benchmark.database), ("queries", benchmark.queries)):
                write_atomically(root / f"{role}.csv", _table(records, names[role]))
        if benchmark.positives is not None:
            write_atomically(root / TRUTH, _truth(benchmark, names))
        return Written(root, len(names["database"]), len(names["queries"]), reencoded, benchmark.positives is not None,
                       tuple(_lost(benchmark)))  # fmt: skip

    def _names(self, benchmark: Benchmark, role: str, records: Records) -> list[str]:
        """The new name of every image, relative to the new root."""
        if self.form == "csv":
            names = [f"{role}/{self._suffixed(_without(name, role))}" for name in records.names]
        else:
            source = records.with_utm_of_degrees() if benchmark.utm_of_degrees else records.with_latlon()
            names = [
                f"{role}/{self._suffixed(self._at(benchmark, source, row, each))}" for row, each in enumerate(source)
            ]
        seen: dict[str, int] = {}
        for row, name in enumerate(names):
            if seen.setdefault(name, row) != row:
                twice = (records.names[seen[name]], records.names[row])
                raise DataError(f"'{twice[0]}' and '{twice[1]}' would both become '{name}'; convert to csv instead")
        return names

    def _at(self, benchmark: Benchmark, records: Records, row: int, record: Record) -> str:
        base = record.name.rsplit("/", 1)[-1]
        if parse_name(base) is not None:
            return base
        mock, suffix = records.text("mock_north", row), PurePosixPath(base).suffix or ".jpg"
        if record.east is None and not mock:
            raise DataError(f"'{record.name}' has no position, which an @ name needs; convert to csv instead")
        image = (records.text("id", row) or base.rsplit(".", 1)[0]).replace("@", "_")
        note = records.text("note", row) or (record.condition or "")
        if record.east is None:
            return format_mock_name(mock, image, note, suffix)
        shown = dataclasses.replace(record, heading=None) if benchmark.utm_of_degrees else record
        return format_name(shown, image, records.text("tile", row), note, suffix=suffix)

    def _suffixed(self, name: str) -> str:
        stem, dot, suffix = name.rpartition(".")
        return f"{stem}.jpg" if self.jpeg and dot and suffix.lower() not in ("jpg", "jpeg") else name

    def _place(self, source: Path, target: Path) -> int:
        """Put one image where it belongs; 1 where it was re-encoded."""
        if not is_file(source):
            raise DataError(f"{source}: this image does not exist; `vpr data check` looks for all of them")
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_symlink() or target.exists():
            target.unlink()
        if self.jpeg and source.suffix.lower() not in (".jpg", ".jpeg"):
            decode(source).save(target, "JPEG", quality=QUALITY)
            return 1
        if self.files == "link":
            target.symlink_to(source.resolve())
        elif self.files == "move":
            shutil.move(os.fspath(source), os.fspath(target))
        else:
            shutil.copy2(source, target)
        return 0


def _refuse_own_images(benchmark: Benchmark, out: Path) -> None:
    """Writing into the folder that holds the source's images, or what its links point at, would replace these."""
    if not out.is_dir():
        return
    target = out.resolve()
    for records in (benchmark.database, benchmark.queries):
        paths = (records.path(row) for row in range(len(records)))
        inside = next((path for path in paths if path.resolve().is_relative_to(target)), None)
        if inside is not None:
            raise VprError(f"{out} holds images of the set itself, such as {inside}; name another folder")


def _lost(benchmark: Benchmark) -> Iterator[str]:
    """What neither layout can hold, so that figures of the copy would differ."""
    if benchmark.ignored is not None:
        yield "answers that are neither right nor wrong cannot be written: in the copy they count as wrong"
    if benchmark.search_inside:
        yield "cities are not kept: in the copy a search goes through all of them"


def _without(name: str, role: str) -> str:
    """A name without the folder of its role in front."""
    first, _, rest = name.partition("/")
    return rest if rest and first == role else name


def _table(records: Records, names: list[str]) -> str:
    rows: list[list[Any]] = []
    placed = records.with_latlon()
    for record, name in zip(placed, names, strict=True):
        degrees = record.latitude is not None
        zone = f"{record.zone}{'M' if record.south else 'N'}" if record.zone else ""
        rows.append([
            name, *((record.latitude, record.longitude) if degrees else ("", "")),
            *("" if value is None else value for value in (record.east, record.north)), zone,
            *("" if value is None else value for value in (record.heading, record.time, record.condition, record.place,
                                                           record.text)),
        ])  # fmt: skip
    used = [at for at, column in enumerate(COLUMNS) if column == "path" or any(row[at] != "" for row in rows)]
    return _csv([[COLUMNS[at] for at in used], *([row[at] for at in used] for row in rows)])


def _truth(benchmark: Benchmark, names: dict[str, list[str]]) -> str:
    assert benchmark.positives is not None
    rows = [[query, "|".join(names["database"][int(number)] for number in numbers)]
            for query, numbers in zip(names["queries"], benchmark.positives, strict=True)]  # fmt: skip
    bad = next((name for each in names.values() for name in each if "|" in name), None)
    if bad is not None:
        raise DataError(f"'{bad}' holds '|', which separates positives in {TRUTH}; rename the image")
    return _csv([["query", "positives"], *rows])


def _csv(rows: list[list[Any]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()
