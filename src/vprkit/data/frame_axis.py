"""Which frame an image is, where two lists go along one track.

List positions tell it where both lists are whole. Where names tell frames (mock positions of the `@` versions of
Nordland and SPED, numbers at the end of file names), a frame that one list lacks shifts nothing behind it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vprkit.data.records import Records
from vprkit.errors import ConfigError

_NUMBER = re.compile(r"(?:^|\D)(\d{1,18})$", re.ASCII)


@dataclass(frozen=True)
class FrameRule:
    """`frames:N` and `frames:NxS`: right is what lies within `window` frames of `stride` times the query's."""

    window: int
    stride: int = 1

    @staticmethod
    def read(text: str) -> "FrameRule":
        """From text.

        Raises:
            ConfigError: it is written otherwise.
        """
        match = re.fullmatch(r"frames:(\d{1,9})(?:x([1-9]\d{0,8}))?", text, re.ASCII)
        if match is None:
            raise ConfigError(
                f"ground truth '{text}': write frames:N with a whole number N, such as frames:2, or frames:NxS where "
                "the database has S frames per query, such as frames:1x10"
            )
        return FrameRule(int(match[1]), int(match[2] or 1))


@dataclass(frozen=True)
class FrameAxis:
    """Where the images of two lists stand along their track.

    Attributes:
        database: (D,) int64 frame of each database image.
        queries: (Q,) int64 frame that each query corresponds to.
        what: what these frames are, in words.
        notices: what is odd about the lists, one sentence each.
    """

    database: np.ndarray
    queries: np.ndarray
    what: str = "list position"
    notices: tuple[str, ...] = ()


def frame_axis(database: Records, queries: Records, stride: int = 1, traverse: int | None = None) -> FrameAxis:
    """The frames of two lists.

    Args:
        database, queries: the lists.
        stride: database frames per query.
        traverse: queries of one traverse, where several follow each other.
    """
    turns = traverse or max(len(queries), 1)
    listed = FrameAxis(np.arange(len(database)), np.arange(len(queries)) % turns * stride)
    if stride > 1:
        return _in_order_of_positions(database, queries, listed, stride)
    for what, numbers in (("positions", _mock_positions), ("numbers", _numbers_in_names)):
        found = _shared(database, queries, turns, numbers, what)
        if found is not None:
            same = np.array_equal(found.database, listed.database) and np.array_equal(found.queries, listed.queries)
            return listed if same else found
    return _in_order_of_positions(database, queries, listed, stride)


def _shared(
    database: Records, queries: Records, turns: int, numbers: Callable[[Records], np.ndarray | None], what: str
) -> FrameAxis | None:
    """Both lists on the axis of all frames that either has; None where they do not speak of the same frames."""
    answering, asking = numbers(database), numbers(queries)
    if answering is None or asking is None:
        return None
    frames, times = np.unique(asking, return_counts=True)
    both = np.intersect1d(answering, frames)
    distinct = len(np.unique(answering)) == len(answering) and times.max() <= -(-len(asking) // turns)
    if not distinct or 2 * len(both) < min(len(answering), len(frames)):
        return None
    axis = np.union1d(answering, frames)
    places = np.searchsorted(axis, answering), np.searchsorted(axis, asking)
    ordered = _ascending(places[0], len(places[0])) and _ascending(places[1], turns)
    said = [] if ordered else [_unordered(what)]
    if len(axis) > len(both):
        sides = ((queries, asking), (database, answering))
        alone = [table.names[int(row)] for table, own in sides for row in np.flatnonzero(~np.isin(own, both))[:1]]
        said.append(
            f"frames in one of the lists only: {len(axis) - len(both):,}, such as {alone[0]}; frames are told by the "
            f"{what} in their names, not by their places in the lists"
        )
    return FrameAxis(*places, "frame", tuple(said))


def _in_order_of_positions(database: Records, queries: Records, listed: FrameAxis, stride: int) -> FrameAxis:
    """List positions, counted along the line of mock positions where a list has them in another order."""
    answering, asking = _rank(database), _rank(queries)
    if answering is None and asking is None:
        return listed
    return FrameAxis(
        listed.database if answering is None else answering,
        listed.queries if asking is None else asking * stride,
        listed.what,
        (_unordered("positions"),),
    )


def _rank(records: Records) -> np.ndarray | None:
    """(N,) place along the line of mock positions; None where the list is in that order, or has none."""
    north = _mock_positions(records)
    if north is None:
        return None
    rank = np.argsort(np.argsort(north, kind="stable"))
    return None if _ascending(rank, len(rank)) else rank


def _ascending(places: np.ndarray, turns: int) -> bool:
    """Every traverse of so many is in the order of its frames."""
    rises = np.diff(places) > 0
    rises[turns - 1 :: turns] = True
    return bool(rises.all())


def _unordered(what: str) -> str:
    return f"frames are counted in the order of the {what} in their names, which the list is not in"


def _mock_positions(records: Records) -> np.ndarray | None:
    """(N,) north, where that is no position on Earth but the place along a track: no zone, east 0."""
    if not records.any_position or records.zone.any() or records.east.any():
        return None
    return records.north


def _numbers_in_names(records: Records) -> np.ndarray | None:
    """(N,) int64 numbers that the file names end with (`images-00202.png`), None where one has none."""
    found = [_NUMBER.search(name.rsplit("/", 1)[-1].rsplit(".", 1)[0]) for name in records.names]
    if not found or not all(found):
        return None
    return np.array([int(each[1]) for each in found if each], np.int64)
