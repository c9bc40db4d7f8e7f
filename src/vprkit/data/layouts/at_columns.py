"""Many `@` names at once, by columns over their bytes; what is unusual goes through `at.parse_name`, name by name.

Numbers with up to 15 digits and a point are exact: the digits make a whole number below 2**53 and the power of ten that
divides it is exact too, so the quotient is rounded once, as `float` rounds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from vprkit.data.columns import StringColumn
from vprkit.data.layouts import at

BLOCK = 1 << 15
"""Names per block: few enough that a block stays in a processor's cache."""

WIDEST = 16
"""Longest number that is read by columns."""

_AT, _SLASH, _POINT, _MINUS, _ZERO = (ord(sign) for sign in "@/.-0")
_SEPARATORS = at.FULL


@dataclass(frozen=True, eq=False)
class AtColumns:
    """What N names say; NaN, 0 or empty where they say nothing.

    Attributes:
        known: (N,) bool, False where a name is no `@` name.
        unreadable: (N,) bool, the zone is there but makes no sense.
        east, north, latitude, longitude, heading: (N,) float64.
        zone, south: (N,) int16 and bool.
        time, condition: texts.
    """

    known: np.ndarray
    unreadable: np.ndarray
    east: np.ndarray
    north: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    heading: np.ndarray
    zone: np.ndarray
    south: np.ndarray
    time: StringColumn
    condition: StringColumn


NUMBERS = {"east": 1, "north": 2, "latitude": 5, "longitude": 6, "heading": 9}
"""Fields that are numbers."""


def blocks(names: StringColumn, size: int = BLOCK) -> Iterator[AtColumns]:
    """`parse` of successive names, `size` at a time."""
    for start in range(0, len(names), size):
        stop = min(start + size, len(names))
        first, last = int(names.offsets[start]), int(names.offsets[stop])
        yield parse(StringColumn(names.data[first:last], np.asarray(names.offsets[start : stop + 1]) - first))


def parse(names: StringColumn) -> AtColumns:
    """The same as `at.parse_name` of every name."""
    data = np.asarray(names.data)
    ends = np.asarray(names.offsets)
    marks, regular = _separators(data, ends)
    rows = np.flatnonzero(regular)
    count = len(ends) - 1
    columns: dict[str, Any] = {name: np.full(count, np.nan) for name in NUMBERS}
    odd = ~regular
    for name, field in NUMBERS.items():
        values, plain, empty = _numbers(data, marks[:, field - 1] + 1, marks[:, field])
        columns[name][rows] = values
        odd[rows] |= ~plain | (empty if field <= 2 else False)
    zone, south, unreadable, strange = _zones(data, marks)
    columns |= {"zone": np.zeros(count, np.int16), "south": np.zeros(count, bool), "unreadable": np.zeros(count, bool)}
    columns["zone"][rows], columns["south"][rows], columns["unreadable"][rows] = zone, south, unreadable
    odd[rows] |= strange
    spans = np.zeros((2, count, 2), np.int64)  # time and note of every name
    spans[0, rows], spans[1, rows] = _span(marks, 13), _span(marks, 14)
    columns["known"] = ~odd
    return _with_odd(names, data, columns, spans, np.flatnonzero(odd))


def _separators(data: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """((R, 15) places of the first separators of regular names, (N,) bool which are regular).

    Regular: the base name starts with `@` and has at least fifteen of them.
    """
    count = len(ends) - 1
    found = np.flatnonzero(data == _AT)
    slashes = np.flatnonzero(data == _SLASH)
    if len(found) == count * _SEPARATORS:
        marks = found.reshape(count, _SEPARATORS)
        if (marks[:, 0] >= ends[:-1]).all() and (marks[:, -1] < ends[1:]).all():
            return _checked_start(data, ends, marks, slashes)
    bases = _base_starts(ends, slashes)
    row = np.searchsorted(ends, found, "right") - 1
    found, row = found[inside := found >= bases[row]], row[inside]
    per_row = np.bincount(row, minlength=count)
    firsts = np.cumsum(per_row) - per_row
    regular = per_row >= _SEPARATORS
    rows = np.flatnonzero(regular)
    marks = found[firsts[rows][:, None] + np.arange(_SEPARATORS)] if rows.size else np.zeros((0, _SEPARATORS), np.int64)
    at_start = marks[:, 0] == bases[rows]
    regular[rows] = at_start
    return marks[at_start], regular


def _checked_start(
    data: np.ndarray, ends: np.ndarray, marks: np.ndarray, slashes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Every name has fifteen separators; regular where these start the base name and no folder follows them."""
    first = marks[:, 0]
    regular = (first == ends[:-1]) | (data[np.maximum(first - 1, 0)] == _SLASH)
    row = np.searchsorted(first, slashes, "right") - 1
    behind = (row >= 0) & (slashes < ends[row + 1])
    regular[row[behind]] = False
    return marks if regular.all() else marks[regular], regular


def _base_starts(ends: np.ndarray, slashes: np.ndarray) -> np.ndarray:
    """(N,) where each base name starts."""
    starts = np.array(ends[:-1])
    row = np.searchsorted(ends, slashes, "right") - 1
    np.maximum.at(starts, row, slashes + 1)
    return starts


def _span(marks: np.ndarray, field: int) -> np.ndarray:
    """(R, 2) start and stop of a field."""
    return np.stack([marks[:, field - 1] + 1, marks[:, field]], 1)


def _numbers(data: np.ndarray, start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(values, plain, empty) of fields: NaN where empty; `plain` is False where a field must be read another way."""
    length = stop - start
    values, plain = np.full(len(start), np.nan), length == 0
    for size, rows in _alike(length):
        if not 0 < size <= WIDEST:
            continue
        window = np.lib.stride_tricks.sliding_window_view(data, size)[start[rows]]
        for place, same in _by_point(window):
            into = rows if isinstance(same, slice) else np.arange(len(start))[rows][same]
            values[into], plain[into] = _decimals(window[same], place)
    return values, plain, length == 0


def _by_point(window: np.ndarray) -> Iterator[tuple[int, Any]]:
    """(column of the first point, rows that have it there); the width stands for none."""
    points = window == _POINT
    place = int(points[0].argmax())
    if points[:, place].all() and np.count_nonzero(points) == len(points):  # as published names have it
        yield place, slice(None)
        return
    yield from _alike(np.where(points.any(1), points.argmax(1), window.shape[1]))


def _alike(values: np.ndarray) -> Iterator[tuple[int, Any]]:
    """(value, rows that have it); usually all of them have one."""
    if not len(values):
        return
    first = int(values[0])
    if (values == first).all():
        yield first, slice(None)
        return
    for value in np.unique(values):
        yield int(value), np.flatnonzero(values == value)


def _decimals(window: np.ndarray, point: int) -> tuple[np.ndarray, np.ndarray]:
    """(values, good) of an (R, W) block of digits whose point stands in one column (W: there is none)."""
    width = window.shape[1]
    negative = window[:, 0] == _MINUS
    digits = np.delete(window, point, 1) if point < width else window
    digits = digits - np.uint8(_ZERO)  # what lies below zero wraps round and is too large
    if negative.any():
        digits[negative, 0] = 0
    enough = digits.shape[1] - negative >= 1
    good = enough if digits.max(initial=0) <= 9 else (digits <= 9).all(1) & enough
    powers = 10.0 ** np.arange(digits.shape[1] - 1, -1, -1)
    whole = digits.astype(np.float64) @ powers
    values = whole / 10.0 ** max(width - point - 1, 0)
    return np.where(good, np.where(negative, -values, values), np.nan), good


def _zones(data: np.ndarray, marks: np.ndarray) -> tuple[np.ndarray, ...]:
    """(zone, south, unreadable, strange); strange ones must be read another way."""
    start, stop = marks[:, 2] + 1, marks[:, 3]
    letter_start, letter_stop = marks[:, 3] + 1, marks[:, 4]
    length, letters = stop - start, letter_stop - letter_start
    first, second = data[start].astype(np.int16) - _ZERO, data[np.maximum(stop - 1, 0)].astype(np.int16) - _ZERO
    digits = (first >= 0) & (first <= 9) & (second >= 0) & (second <= 9)
    number = np.where(length == 2, first * 10 + second, first)
    strange = (length > 2) | ((length > 0) & ~digits)
    usable = (length > 0) & ~strange & (number >= 1) & (number <= 60)
    letter = data[letter_start]
    strange |= (letters > 0) & (letter >= 128)
    capital = np.where((letter >= ord("a")) & (letter <= ord("z")), letter - 32, letter)
    south = usable & (letters > 0) & (capital >= ord("C")) & (capital <= ord("M"))
    unreadable = ~usable & ((length > 0) | (letters > 0))
    return np.where(usable, number, 0).astype(np.int16), south, unreadable, strange


def _with_odd(
    names: StringColumn, data: np.ndarray, columns: dict[str, Any], spans: np.ndarray, odd: np.ndarray
) -> AtColumns:
    """The columns with the unusual names read one by one; their texts are put behind the names' bytes."""
    extra = bytearray()
    for row in odd:
        fields = at.parse_name(names[int(row)])
        if fields is None:
            continue
        columns["known"][row] = True
        columns["zone"][row], columns["south"][row] = fields.zone, fields.south
        columns["unreadable"][row] = fields.zone_unreadable
        for name in NUMBERS:
            value = getattr(fields, name)
            columns[name][row] = np.nan if value is None else value
        for which, text in enumerate((fields.time, fields.note)):
            start = len(data) + len(extra)
            extra += (text or "").encode("utf-8", "surrogateescape")
            spans[which, row] = start, len(data) + len(extra)
    for name in NUMBERS:
        columns[name][~columns["known"]] = np.nan
    for name in ("zone", "south", "unreadable"):
        columns[name][~columns["known"]] = 0
    spans[:, ~columns["known"]] = 0
    whole = np.concatenate([data, np.frombuffer(bytes(extra), np.uint8)]) if extra else data
    time, note = (StringColumn.cut(whole, span[:, 0], span[:, 1]) for span in spans)
    return AtColumns(time=time, condition=_conditions(note), **columns)


def _conditions(notes: StringColumn) -> StringColumn:
    """`at.condition_of` of every note: each distinct one is looked at once."""
    if not len(notes.data):
        return notes
    values, codes = notes.distinct()
    return StringColumn.of(at.condition_of(value) or "" for value in values).take(codes)
