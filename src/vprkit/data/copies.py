"""Which photos are the same, byte by byte: only files that share their size with another are read, each once."""

import hashlib
from collections import Counter
from pathlib import Path

from vprkit.data.records import Records


def digests(*tables: Records) -> list[list[str]]:
    """Per table, one SHA-256 per image; empty where no other file of all tables has its size, or it cannot be read."""
    sizes = [[_size(records.path(row)) for row in range(len(records))] for records in tables]
    counts = Counter(size for column in sizes for size in column)
    return [
        [_digest(records.path(row)) if size >= 0 and counts[size] > 1 else "" for row, size in enumerate(column)]
        for records, column in zip(tables, sizes, strict=True)
    ]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return -1


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
