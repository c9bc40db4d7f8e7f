"""A column of strings as bytes and offsets: millions of paths in memory or in a memory map, without Python objects."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np

WIDE = 256
"""Strings up to this many bytes are compared as columns of bytes."""

SHOWN = 40
"""Characters of a string that the column's `repr` shows."""


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
        texts = list(strings)
        whole = "".join(texts)
        if whole.isascii():  # a byte per character: nothing to encode one by one
            return StringColumn(np.frombuffer(whole.encode("ascii"), np.uint8), _offsets(map(len, texts), len(texts)))
        encoded = [text.encode("utf-8", "surrogateescape") for text in texts]
        return StringColumn(np.frombuffer(b"".join(encoded), np.uint8), _offsets(map(len, encoded), len(encoded)))

    @staticmethod
    def cut(data: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> "StringColumn":
        """The pieces of a buffer between starts and stops."""
        lengths = stops - starts
        offsets = np.append(0, np.cumsum(lengths)).astype(np.int64)
        if not offsets[-1]:
            return StringColumn(np.zeros(0, np.uint8), offsets)
        bytes_at = np.arange(offsets[-1], dtype=np.int64) + np.repeat(starts - offsets[:-1], lengths)
        return StringColumn(np.asarray(data)[bytes_at], offsets)

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

    def __repr__(self) -> str:
        """One line, however many and however long they are."""
        first = [text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…" for text in self[:3]]
        more = ", …" if len(self) > 3 else ""
        return f"StringColumn([{', '.join(map(repr, first))}{more}], length {len(self)})"

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> "StringColumn": ...
    def __getitem__(self, row: int | slice) -> "str | StringColumn":
        if isinstance(row, slice):
            start, stop, step = row.indices(len(self))
            if step == 1 and start <= stop:
                ends = np.asarray(self.offsets)[start : stop + 1]
                return StringColumn(self.data[ends[0] : ends[-1]], ends - ends[0])
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
        return StringColumn.cut(self.data, ends[rows], ends[rows + 1])

    def lines(self, size: int = 1 << 16) -> Iterator[bytes]:
        """The strings, each behind the other with a line break after it, in blocks of `size` strings."""
        ends = np.asarray(self.offsets)
        for start in range(0, len(self), size):
            stop = min(start + size, len(self))
            block = bytes(self.data[ends[start] : ends[stop]])
            pieces = (ends[start : stop + 1] - ends[start]).tolist()
            yield b"".join(block[a:b] + b"\n" for a, b in itertools.pairwise(pieces))

    def numbered(self) -> dict[str, int]:
        """String -> its first row."""
        rows: dict[str, int] = {}
        for row, string in enumerate(self):
            rows.setdefault(string, row)
        return rows

    def codes(self) -> tuple[np.ndarray, list[str]]:
        """(N,) integer code per row and the sorted distinct strings they stand for."""
        values, codes = self.distinct()
        order = sorted(range(len(values)), key=values.__getitem__)
        place = np.empty(len(values), np.int64)
        place[order] = np.arange(len(values))
        return place[codes], [values[row] for row in order]

    def distinct(self) -> tuple[list[str], np.ndarray]:
        """The distinct strings, and per row which of these it is."""
        lengths = np.diff(self.offsets)
        widest = int(lengths.max(initial=0))
        if widest > WIDE or (widest and (np.asarray(self.data) == 0).any()):  # NumPy's own texts end at a zero byte
            rows: dict[str, int] = {}
            codes = np.array([rows.setdefault(text, len(rows)) for text in self], np.int64)
            return list(rows), codes
        if not widest:
            return ([""] if len(self) else []), np.zeros(len(self), np.int64)
        padded = np.append(np.asarray(self.data), np.zeros(widest, np.uint8))
        window = np.lib.stride_tricks.sliding_window_view(padded, widest)[np.asarray(self.offsets)[:-1]]
        window = np.where(np.arange(widest) < lengths[:, None], window, 0).astype(np.uint8)
        found, codes = np.unique(window.view(f"S{widest}").ravel(), return_inverse=True)
        return [value.decode("utf-8", "surrogateescape") for value in found.tolist()], codes.astype(np.int64)


def _offsets(lengths: Iterable[int], count: int) -> np.ndarray:
    """(count + 1,) where pieces of these lengths begin and end."""
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(np.fromiter(lengths, np.int64, count), out=offsets[1:])
    return offsets
