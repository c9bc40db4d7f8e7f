"""Files that survive a kill: written under a temporary name, flushed to disk, then renamed; and a lock for writers."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vprkit.errors import StoreError, VprError


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace `path` by `content`: afterwards either the old or the new file is there, never half of one."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            sync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise VprError(f"{path}: cannot be written ({error.strerror or error})") from error
    sync_folder(path.parent)


def write_json(path: Path, data: Any) -> None:
    """`write_atomically` of indented JSON."""
    write_atomically(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def sync(descriptor: int) -> None:
    os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable, where the system allows folders to be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def refuse_to_overwrite(path: Path, overwrite: bool = False) -> None:
    """Raise where `path` exists and may not be replaced."""
    if path.exists() and not overwrite:
        raise VprError(f"{path} exists already; choose another name or pass --overwrite")


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file; a second writer is refused at once. The system lets go of it when a process dies.

    Raises:
        StoreError: another process holds it.
    """
    import fcntl

    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(f"{path.parent} is being written by another process; wait for it to finish") from error
        yield
