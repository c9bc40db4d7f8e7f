"""What was worked out of large lists, kept in the user's cache: plain columns and JSON, keyed by content.

`VPRKIT_CACHE` names the folder, `VPRKIT_CACHE=off` keeps nothing. Entries are written beside their place and renamed:
a reader sees a whole one or none; anything that does not fit is left aside and worked out anew. What nobody used for
long goes again (see `pruning`).
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vprkit.data import pruning

FORMAT = 1
_HASHED = 1 << 22
_SAMPLES, _SAMPLE = 32, 1 << 14
_SETTLED = 0.05
"""Seconds after which a change to a file shows in its time of change."""


def folder() -> Path | None:
    """Where entries lie; None where nothing is kept."""
    asked = os.environ.get("VPRKIT_CACHE", "")
    if asked.lower() == "off":
        return None
    base = Path(asked) if asked else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vprkit"
    return base / f"lists-{FORMAT}"


def content_key(path: Path) -> str:
    """SHA-256 of a file.

    A file that was hashed before is recognised by its place, size and time of change together with samples of its
    content, so that the second opening does not read it whole.
    """
    known = _known_key(path)
    if known is not None:
        return known
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_HASHED):
            digest.update(block)
    key = digest.hexdigest()
    _remember(path, key)
    return key


def _pointer(path: Path) -> Path | None:
    base = folder()
    return None if base is None else base / "seen" / f"{_digest(str(path.absolute()))}.json"


def _known_key(path: Path) -> str | None:
    pointer = _pointer(path)
    if pointer is None:
        return None
    try:
        seen = json.loads(pointer.read_text(encoding="utf-8"))
        if seen["stamp"] == _stamp(path) and seen["samples"] == _samples(path):
            pruning.mark_used(pointer)
            return str(seen["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None


def _remember(path: Path, key: str) -> None:
    pointer = _pointer(path)
    if pointer is None:
        return
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime < _SETTLED:
            return
        pointer.parent.mkdir(parents=True, exist_ok=True)
        seen = {"stamp": _stamp(path), "samples": _samples(path), "key": key}
        temporary = pointer.with_name(f".{pointer.name}.{os.getpid()}.tmp")
        temporary.write_text(json.dumps(seen), encoding="utf-8")
        temporary.replace(pointer)


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _samples(path: Path) -> str:
    """Hash of pieces spread over a file."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        for place in range(_SAMPLES):
            file.seek(max(0, (size - _SAMPLE) * place // (_SAMPLES - 1)))
            digest.update(file.read(_SAMPLE))
    return digest.hexdigest()


def key_of(*parts: object) -> str:
    """One key of several texts and numbers."""
    return _digest(json.dumps([str(part) for part in parts]))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def load(kind: str, key: str) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """(facts, columns as memory maps) of an entry; None where there is none that is whole."""
    base = folder()
    if base is None:
        return None
    place = base / kind / key
    try:
        facts = json.loads((place / pruning.FACTS).read_text(encoding="utf-8"))
        columns = {
            name: _mapped(place / name, str(kind), int(count)) for name, (kind, count) in facts["columns"].items()
        }
    except (OSError, ValueError, KeyError, TypeError):
        return None
    pruning.mark_used(place / pruning.FACTS)
    return facts, columns


def _mapped(path: Path, code: str, count: int) -> np.ndarray:
    dtype = np.dtype(code)
    if dtype.kind not in "biuf" or path.stat().st_size != count * dtype.itemsize:
        raise ValueError(f"{path} does not hold {count} of {code}")
    return np.memmap(path, dtype, "r", shape=(count,)) if count else np.zeros(0, dtype)


class Entry:
    """Columns that grow piece by piece on disk; `keep` makes the entry seen."""

    def __init__(self, place: Path, temporary: Path) -> None:
        self.place, self.temporary = place, temporary
        self.columns: dict[str, tuple[str, int]] = {}

    def append(self, name: str, values: np.ndarray) -> None:
        values = np.ascontiguousarray(values)
        with (self.temporary / name).open("ab") as file:
            values.tofile(file)
        self.columns[name] = (values.dtype.str, self.columns.get(name, ("", 0))[1] + values.size)

    def keep(self, facts: Mapping[str, Any]) -> None:
        content = json.dumps({**facts, "columns": self.columns})
        (self.temporary / pruning.FACTS).write_text(content, encoding="utf-8")
        if self.place.exists():  # a damaged one lies there, or somebody else was faster
            pruning.remove(self.place)
        with contextlib.suppress(OSError):  # somebody else was faster after all: theirs is as good
            self.temporary.rename(self.place)


@contextlib.contextmanager
def writing(kind: str, key: str) -> Iterator[Entry | None]:
    """An entry to fill, or None where nothing can be kept. What is not kept in the end is removed.

    A disk that fills up or breaks while the entry is written ends the block: then nothing was kept, and `load` says so.
    """
    base = folder()
    temporary = None
    if base is not None:
        with contextlib.suppress(OSError):
            (base / kind).mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(pruning.UNFINISHED, f".{key}.", base / kind))
    if temporary is None or base is None:
        yield None
        return
    try:
        with contextlib.suppress(OSError):
            yield Entry(base / kind / key, temporary)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    pruning.prune(base, spared=base / kind / key)
