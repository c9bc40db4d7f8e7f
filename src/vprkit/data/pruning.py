"""What goes from the cache: entries that nobody used for long, and the longest unused where all are too large.

Processes share the folder. An entry is renamed before it is taken apart, so that a reader sees a whole one or none, and
who has mapped its files keeps them. Only what the cache writes goes: names of its making, files that an entry's facts
list. Anything else in the folder stays, and so does a folder that holds anything else.
"""

import contextlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FACTS = "facts.json"
UNFINISHED = ".tmp"

LARGEST = 20 * 2**30
"""Bytes of all entries: the list of SF-XL's 41 million names takes about a third of it."""

OLDEST = 90 * 86_400.0
"""Seconds after its last use that an entry stays."""

ABANDONED = 2 * 86_400.0
"""Seconds after which an entry that is still being written belongs to a process that died."""

_KEY = re.compile(r"[0-9a-f]{64}")
_TEMPORARY = re.compile(r"\.[0-9a-f]{64}\..+" + re.escape(UNFINISHED))
_POINTER = re.compile(r"\.?[0-9a-f]{64}\.json(\.\d+\.tmp)?")
_COLUMN = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)?")


def mark_used(path: Path) -> None:
    """Note that an entry was used now, by the time of its facts (or of a pointer itself)."""
    with contextlib.suppress(OSError):
        os.utime(path)


@dataclass(frozen=True)
class _Kept:
    place: Path
    used: float
    size: int


def prune(base: Path, *, spared: Path | None = None, largest: int = LARGEST, oldest: float = OLDEST) -> None:
    """Remove entries beyond age or size; whatever cannot be removed stays, and nothing is raised.

    Args:
        base: folder of the cache.
        spared: an entry that stays in any case.
        largest: bytes that all entries may take together.
        oldest: seconds since the last use.
    """
    now = time.time()
    with contextlib.suppress(OSError):
        for path in _unused(base, now - oldest, now - ABANDONED):
            _discard(path)
        total = 0
        for entry in sorted(_entries(base), key=lambda entry: entry.used, reverse=True):
            total += entry.size
            if entry.place != spared and (total > largest or entry.used < now - oldest):
                remove(entry.place)
                total -= entry.size


def remove(place: Path) -> None:
    """Take one entry away: renamed at once, then emptied of what it lists."""
    with contextlib.suppress(OSError):
        if place.is_symlink() or not _KEY.fullmatch(place.name):
            return
        aside = Path(tempfile.mkdtemp(UNFINISHED, f".{place.name}.", place.parent))
        try:
            place.rename(aside)  # takes the empty folder's place
        except OSError:  # somebody else took it first
            aside.rmdir()
            return
        _discard(aside)


def _entries(base: Path) -> Iterator[_Kept]:
    for place in base.glob("*/*"):
        if not _KEY.fullmatch(place.name) or place.is_symlink():
            continue
        with contextlib.suppress(OSError):
            used = (place / FACTS).stat().st_mtime
            yield _Kept(place, used, sum(path.stat().st_size for path in place.iterdir()))


def _unused(base: Path, before: float, abandoned: float) -> Iterator[Path]:
    """Pointers to lists that nobody opened for long, and what processes that died left behind."""
    for path in base.glob("seen/*"):
        if _POINTER.fullmatch(path.name) and _changed(path) < before:
            yield path
    for path in base.glob("*/.*"):
        if _TEMPORARY.fullmatch(path.name) and not path.is_symlink() and _changed(path) < abandoned:
            yield path


def _changed(path: Path) -> float:
    """When something in a folder, or a file, was written last; never, where it is gone."""
    try:
        inside = [each.stat().st_mtime for each in path.iterdir()] if path.is_dir() else []
        return max([path.stat().st_mtime, *inside])
    except OSError:
        return float("inf")


def _discard(path: Path) -> None:
    """Unlink a pointer, or the cache's files in a folder and then the folder if it is empty."""
    with contextlib.suppress(OSError):
        if not path.is_dir():
            path.unlink()
            return
        for name in _files_of(path):
            with contextlib.suppress(OSError):
                (path / name).unlink()
        path.rmdir()


def _files_of(place: Path) -> list[str]:
    """Files that the entry lists; of one without facts, plain files named as columns are."""
    try:
        columns = json.loads((place / FACTS).read_text(encoding="utf-8"))["columns"]
        listed = [name for name in columns if _COLUMN.fullmatch(name)]
    except (OSError, ValueError, KeyError, TypeError):
        listed = [path.name for path in place.iterdir() if _COLUMN.fullmatch(path.name) and path.is_file()]
    return [*listed, FACTS]
