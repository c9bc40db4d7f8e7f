"""Files that survive a kill: written under a temporary name, flushed to disk, then renamed; and a lock for writers."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vprkit.errors import StoreError, VprError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name to write; on success it is flushed to disk and becomes `path`, else it is removed.

    Afterwards either the old or the new file is there, never half of one. Errors of the system come as they are.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def is_temporary(path: Path) -> bool:
    """True for what an interrupted `replacing` left behind."""
    return path.name.startswith(".") and path.suffix == ".tmp"


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace `path` by `content`; file names that are no UTF-8 keep their bytes.

    Raises:
        VprError: it cannot be written.
    """
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise VprError(f"{path}: cannot be written ({error.strerror or error})") from error


def unread(path: str | Path, error: Exception, what: str) -> str:
    """A sentence about a file that could not be read, without the words of the system or a parser.

    Args:
        path: the file.
        error: what reading or understanding it raised.
        what: is wrong with it, such as `cannot be read as UTF-8 CSV`; a missing file is called missing instead.
    """
    if isinstance(error, FileNotFoundError):
        return f"{path}: there is no such file"
    return f"{path}: {what} ({_in_words(error)})"


def _in_words(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return "it is no JSON"
    if isinstance(error, UnicodeDecodeError):
        return f"it is no UTF-8 text: byte {error.start} is not"
    if isinstance(error, KeyError):
        return f"it lacks '{error.args[0]}'" if error.args else "it lacks a key"
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def write_json(path: Path, data: Any) -> None:
    """`write_atomically` of indented JSON."""
    write_atomically(path, json.dumps(data, indent=1) + "\n")


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable, where the system allows folders to be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def refuse_to_overwrite(path: Path, overwrite: bool = False) -> None:
    """Say before any work that a file cannot be written: it exists, is a folder, or its folder cannot be made."""
    if path.exists() and not overwrite:
        raise VprError(f"{path} exists already; choose another name or pass --overwrite")
    if path.is_dir():
        raise VprError(f"{path} is a folder; name a file in it")
    ancestor = next(parent for parent in path.absolute().parents if parent.exists())
    if not ancestor.is_dir() or not os.access(ancestor, os.W_OK):
        raise VprError(f"{path}: {ancestor} is no folder that can be written")


def refuse_folder(path: Path, overwrite: bool = False) -> None:
    """Say before any work that a folder cannot be written: it exists and holds something, or is a file."""
    if path.exists() and not path.is_dir():
        raise VprError(f"{path} is a file; choose another name for the folder")
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise VprError(f"{path} exists already; choose another name or pass --overwrite")


class NotLockable(StoreError):
    """A folder on a file system that knows no locks."""


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file; a second writer is refused at once. The system lets go of it when a process dies.

    Raises:
        StoreError: another process holds it.
        NotLockable: the file system has no locks, so that nobody can tell.
    """
    import fcntl

    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(f"{path.parent} is being written by another process; wait for it to finish") from error
        except OSError as error:
            raise NotLockable(f"{path.parent} is on a file system without locks ({error.strerror}), so two writers "
                              "could not be told apart; choose a folder on another one") from error  # fmt: skip
        yield
