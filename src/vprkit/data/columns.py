"""A column of strings as bytes and offsets: millions of paths in memory or in a memory map, without Python objects."""

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np


class StringColumn(Sequence[str]):
    """An immutable sequence of strings.

    Args:
        data: (total,) uint8, all strings in UTF-8 one after the other.
        offsets: (N + 1,) int64, string i is `data[offsets[i]:offsets[i + 1]]`.
    """

    __slots__ = ("data", "offsets")

    def __init__(self, data: np.ndarray, offsets: np.ndarray) -> None:
        self.data = data
        self.offsets = offsets

    @staticmethod
    def of(strings: Iterable[str]) -> "StringColumn":
        encoded = [string.encode("utf-8", "surrogateescape") for string in strings]
        offsets = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=offsets[1:])
        return StringColumn(np.frombuffer(b"".join(encoded), np.uint8), offsets)

    @staticmethod
    def blank(rows: int) -> "StringColumn":
        """Empty strings."""
        return StringColumn(np.zeros(0, np.uint8), np.zeros(rows + 1, np.int64))

    @staticmethod
    def joined(columns: "Sequence[StringColumn]") -> "StringColumn":
        """Columns one after the other."""
        starts = np.cumsum([0, *(int(column.offsets[-1]) for column in columns)])
        offsets = [np.asarray(column.offsets)[1:] + start for column, start in zip(columns, starts[:-1], strict=True)]
        data = np.concatenate([np.asarray(column.data) for column in columns])
        return StringColumn(data, np.concatenate([np.zeros(1, np.int64), *offsets]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> "StringColumn": ...
    def __getitem__(self, row: int | slice) -> "str | StringColumn":
        if isinstance(row, slice):
            return self.take(np.arange(len(self))[row])
        row = int(row)
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        row %= len(self)
        return bytes(self.data[self.offsets[row] : self.offsets[row + 1]]).decode("utf-8", "surrogateescape")

    def __iter__(self) -> Iterator[str]:
        for row in range(len(self)):
            yield self[row]

    def take(self, rows: np.ndarray) -> "StringColumn":
        """The strings of the given rows, in that order."""
        rows = np.asarray(rows, np.int64)
        rows = np.where(rows < 0, rows + len(self), rows)
        ends = np.asarray(self.offsets)
        starts, lengths = ends[rows], ends[rows + 1] - ends[rows]
        offsets = np.append(0, np.cumsum(lengths)).astype(np.int64)
        bytes_at = np.arange(offsets[-1], dtype=np.int64) + np.repeat(starts - offsets[:-1], lengths)
        return StringColumn(np.asarray(self.data)[bytes_at], offsets)

    def numbered(self) -> dict[str, int]:
        """String -> its first row."""
        rows: dict[str, int] = {}
        for row, string in enumerate(self):
            rows.setdefault(string, row)
        return rows

    def codes(self) -> tuple[np.ndarray, list[str]]:
        """(N,) integer code per row and the sorted distinct strings they stand for."""
        values, codes = np.unique(np.asarray(list(self), dtype=object), return_inverse=True)
        return codes.astype(np.int64), [str(value) for value in values]
