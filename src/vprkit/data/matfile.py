"""MATLAB files of version 5 to 7 read as plain data, with every size checked against what the file really holds.

Structs become dictionaries, cells lists, texts strings, numbers arrays. Objects, functions and sparse arrays are None.
"""

import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from vprkit.errors import DataError

LARGEST = 256 * 2**20
"""Bytes of a file, and of one variable once unpacked; index files of the field stay below a tenth of it."""

MOST = 4_000_000
"""Entries of cells and structs in one file; Pittsburgh 250k has 200,000."""

_DEEPEST = 16
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin1", 2: "latin1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMERIC = range(6, 16)
_EMPTY = np.zeros(0)


def read_mat(path: Path) -> dict[str, Any]:
    """The variables of a file by name.

    Raises:
        DataError: unreadable, damaged, too large, or saved as version 7.3 (which is HDF5).
    """
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise DataError(f"{path}: {size} bytes are more than an index file holds; is this the right file?")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    if data[:8] == b"\x89HDF\r\n\x1a\n" or data[:10] == b"MATLAB 7.3":
        raise DataError(f"{path} is a MATLAB 7.3 file; save it with -v7 in MATLAB")
    if len(data) < 128 or data[126:128] not in (b"IM", b"MI"):
        raise DataError(f"{path}: no MATLAB file of version 5 to 7; download or copy it again")
    try:
        return _Reader("<" if data[126:128] == b"IM" else ">").variables(memoryview(data)[128:])
    except _Damaged as error:
        raise DataError(f"{path}: damaged MATLAB file ({error}); download or copy it again") from error


class _Damaged(Exception):
    """What does not fit, in words."""


class _Reader:
    def __init__(self, order: str) -> None:
        self.order, self.entries = order, 0

    def variables(self, data: memoryview) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while len(data) >= 8:
            kind, content, data = self._element(data)
            if kind == _COMPRESSED:
                kind, content, _ = self._element(memoryview(_unpacked(content)))
            if kind == _MATRIX and len(content):
                name, value = self._matrix(content, 0)
                found[name] = value
        return found

    def _element(self, data: memoryview) -> tuple[int, memoryview, memoryview]:
        """(type, content, what follows) of the element at the start of `data`."""
        if len(data) < 8:
            raise _Damaged("it ends inside an element")
        first, size = struct.unpack(f"{self.order}II", data[:8])
        if first >> 16:  # short form: type and size share one word, the content is in the second
            size = first >> 16
            if size > 4:
                raise _Damaged("a short element of more than four bytes")
            return first & 0xFFFF, data[4 : 4 + size], data[8:]
        if size > len(data) - 8:
            raise _Damaged(f"an element of {size} bytes where {len(data) - 8} are left")
        padded = size if first == _COMPRESSED else -(-size // 8) * 8
        return first, data[8 : 8 + size], data[8 + padded :]

    def _matrix(self, data: memoryview, depth: int) -> tuple[str, Any]:
        if depth > _DEEPEST:
            raise _Damaged("more levels than any index file has")
        if not len(data):
            return "", _EMPTY
        _, flags, data = self._element(data)
        _, sizes, data = self._element(data)
        _, name, data = self._element(data)
        if len(flags) < 8 or len(sizes) % 4:
            raise _Damaged("an array without flags or dimensions")
        word = struct.unpack(f"{self.order}I", flags[:4])[0]
        shape = struct.unpack(f"{self.order}{len(sizes) // 4}i", sizes)
        if len(shape) > 32 or any(side < 0 for side in shape):
            raise _Damaged(f"an array of shape {shape}")
        return bytes(name).decode("latin1"), self._content(word & 0xFF, shape, data, depth)

    def _content(self, kind: int, shape: tuple[int, ...], data: memoryview, depth: int) -> Any:
        if kind in _NUMERIC:
            return self._numbers(shape, data)
        if kind == _CHAR:
            return self._text(data)
        if kind == _CELL:
            return self._many(math.prod(shape), data, depth)[0]
        return self._struct(math.prod(shape), data, depth) if kind == _STRUCT else None

    def _numbers(self, shape: tuple[int, ...], data: memoryview) -> np.ndarray:
        kind, content, _ = self._element(data)
        code = _NUMBERS.get(kind)
        if code is None:
            raise _Damaged(f"numbers stored as type {kind}")
        flat = np.frombuffer(content, np.dtype(self.order + code), count=len(content) // int(code[1]))
        if flat.size != math.prod(shape):
            raise _Damaged(f"{flat.size} numbers for an array of shape {shape}")
        return flat.reshape(shape, order="F")

    def _text(self, data: memoryview) -> str:
        if not len(data):
            return ""
        kind, content, _ = self._element(data)
        encoding = _TEXTS.get(kind)
        if encoding is None:
            raise _Damaged(f"a text stored as type {kind}")
        suffix = {"<": "-le", ">": "-be"}[self.order] if encoding in ("utf-16", "utf-32") else ""
        return bytes(content).decode(encoding + suffix, "replace")

    def _many(self, count: int, data: memoryview, depth: int) -> tuple[list[Any], memoryview]:
        if count * 8 > len(data):
            raise _Damaged(f"{count} entries where {len(data)} bytes are left")
        self.entries += count
        if self.entries > MOST:
            raise _Damaged(f"more than {MOST} entries")
        values = []
        for _ in range(count):
            kind, content, data = self._element(data)
            if kind != _MATRIX:
                raise _Damaged(f"an entry of type {kind}")
            values.append(self._matrix(content, depth + 1)[1])
        return values, data

    def _struct(self, count: int, data: memoryview, depth: int) -> Any:
        """A dictionary, or a list of them for an array of structs."""
        _, width, data = self._element(data)
        _, names, data = self._element(data)
        length = struct.unpack(f"{self.order}i", width[:4])[0] if len(width) >= 4 else 0
        if length < 1:
            raise _Damaged("a struct without field names")
        fields = [
            bytes(names[at : at + length]).split(b"\0")[0].decode("latin1") for at in range(0, len(names), length)
        ]
        if count * len(fields) * 8 > len(data) or (count > 1 and not fields):
            raise _Damaged(f"a struct of {count} entries where {len(data)} bytes are left")
        rows = []
        for _ in range(count):
            values, data = self._many(len(fields), data, depth)
            rows.append(dict(zip(fields, values, strict=True)))
        return rows[0] if count == 1 else rows


def _unpacked(content: memoryview) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(content, LARGEST)
    except zlib.error as error:
        raise _Damaged(f"compressed data that cannot be unpacked: {error}") from error
    if unpacker.unconsumed_tail:
        raise _Damaged(f"more than {LARGEST} bytes once unpacked")
    return data
