"""Append-only column files: plain writes at the end, read back through memory maps, checked by CRC-32 per block."""

import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vprkit.data.columns import StringColumn
from vprkit.errors import StoreError


@dataclass(frozen=True)
class Column:
    """A column of rows of one dtype and shape, one file. `shape` is that of a row."""

    name: str
    dtype: str
    shape: tuple[int, ...] = ()

    @property
    def row_bytes(self) -> int:
        return int(np.dtype(self.dtype).itemsize * np.prod(self.shape, dtype=np.int64))

    def file(self, folder: Path) -> Path:
        return folder / f"{self.name}.bin"

    def read(self, folder: Path, rows: int) -> np.ndarray:
        """(rows, *shape) copy-on-write memory map: never changes the file, and torch may view it."""
        if rows == 0 or self.row_bytes == 0:
            return np.zeros((rows, *self.shape), self.dtype)
        return np.memmap(self.file(folder), self.dtype, "c", shape=(rows, *self.shape))

    def encode(self, values: np.ndarray) -> bytes:
        if values.shape[1:] != self.shape:
            raise StoreError(f"column '{self.name}' holds rows of shape {self.shape}, got {values.shape[1:]}")
        return np.ascontiguousarray(values, self.dtype).tobytes()


@dataclass(frozen=True)
class Appended:
    """What an append added to a file: where it began, how long it is, its CRC-32."""

    file: str
    start: int
    size: int
    crc: int


def append(folder: Path, file: str, data: bytes, start: int) -> Appended:
    """Write `data` at offset `start` (the committed end; what an interrupted write left beyond it is dropped)."""
    path = folder / file
    try:
        with path.open("r+b" if path.exists() else "w+b") as stream:
            stream.truncate(start)
            stream.seek(start)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror or error}); what was committed before is intact, "
            "run the same command again to go on"
        ) from error
    return Appended(file, start, len(data), zlib.crc32(data))


def verify(folder: Path, part: Appended) -> str | None:
    """What is wrong with an appended part, or None."""
    path = folder / part.file
    try:
        with path.open("rb") as stream:
            stream.seek(part.start)
            data = stream.read(part.size)
    except OSError as error:
        return f"{path}: cannot be read ({error.strerror})"
    if len(data) != part.size:
        return f"{path}: ends at byte {part.start + len(data)}, {part.start + part.size} were written"
    if zlib.crc32(data) != part.crc:
        return f"{path}: bytes {part.start} to {part.start + part.size} are not what was written"
    return None


def encode_strings(strings: StringColumn) -> tuple[bytes, bytes]:
    """(UTF-8 bytes, int64 lengths)."""
    return strings.data.tobytes(), np.diff(strings.offsets).astype("<i8").tobytes()


def read_strings(folder: Path, name: str, rows: int) -> StringColumn:
    """The string column `name`, its bytes memory-mapped."""
    lengths = Column(f"{name}.lengths", "<i8").read(folder, rows)
    offsets = np.zeros(rows + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    total = int(offsets[-1])
    return StringColumn(Column(f"{name}.utf8", "u1").read(folder, total), offsets)
