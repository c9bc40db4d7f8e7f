"""Which photos are the same, byte by byte: only files that share their size with another are read, each once."""

import hashlib
from collections import Counter
from pathlib import Path

from vprkit.data.records import Records

SHARED = 200_000
"""Sets beyond this are not searched for files that are in both roles when they are opened; `vpr data check` does."""


def shared_names(database: Records, queries: Records) -> tuple[str, ...]:
    """What to say of files that are in both roles, as in the St Lucia index in circulation; copies: see `digests`."""
    if database.root != queries.root or len(queries) > SHARED or len(database) > SHARED:
        return ()
    both = set(queries.names) & set(database.names)
    if not both:
        return ()
    return (
        f"{len(both)} of {len(queries)} queries are database images too, such as {min(both)}: they find themselves; "
        "take them out of the database",
    )


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
