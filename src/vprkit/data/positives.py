"""Which database images are right for each query: a ragged array, and the rules that make it."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from vprkit.data import geo
from vprkit.data.records import Records

BLOCK = 4096
"""Queries per neighbour search, so that memory follows the block."""

MANY = 1 << 18
"""Databases from this size on are first cut down to the surroundings of the queries."""

FARTHEST = 1e12
"""Coordinates beyond this many metres are nowhere: squares of such numbers would overflow in the tree."""

SQUARES = 1 << 27
"""Most squares of one radius that the region of the queries is cut into."""


@dataclass(frozen=True, eq=False)
class Positives:
    """Sorted database numbers per query, as a compressed sparse row structure.

    Attributes:
        offsets: (Q + 1,) int64.
        numbers: (total,) int64, query i owns `numbers[offsets[i]:offsets[i + 1]]`, ascending, without repeats.
    """

    offsets: np.ndarray
    numbers: np.ndarray

    @staticmethod
    def of(lists: Sequence[Sequence[int] | np.ndarray]) -> "Positives":
        """From one list of database numbers per query; sorted, repeats dropped."""
        rows = [np.unique(np.asarray(row, np.int64)) for row in lists]
        return Positives._join(rows)

    @staticmethod
    def _join(rows: Sequence[np.ndarray]) -> "Positives":
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        return Positives(offsets, np.concatenate(rows) if rows else np.zeros(0, np.int64))

    def __repr__(self) -> str:
        none = int((self.counts == 0).sum())
        return f"Positives(queries: {len(self)}, positives: {len(self.numbers)}, queries without: {none})"

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, query: int) -> np.ndarray:
        return self.numbers[self.offsets[query] : self.offsets[query + 1]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[query] for query in range(len(self)))

    def same_as(self, other: "Positives") -> bool:
        """The same numbers for the same queries."""
        return np.array_equal(self.offsets, other.offsets) and np.array_equal(self.numbers, other.numbers)

    def take(self, rows: np.ndarray) -> "Positives":
        """Those of the given queries, in that order."""
        rows = np.asarray(rows, np.int64)
        lengths = self.counts[rows]
        offsets = np.append(0, np.cumsum(lengths)).astype(np.int64)
        numbers = np.arange(offsets[-1], dtype=np.int64) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return Positives(offsets, np.asarray(self.numbers)[numbers])

    @property
    def sha256(self) -> str:
        """Of the numbers, query by query."""
        digest = hashlib.sha256()
        for part in (self.offsets, self.numbers):
            digest.update(np.ascontiguousarray(part, np.int64).tobytes())
        return digest.hexdigest()

    @property
    def counts(self) -> np.ndarray:
        """(Q,) positives per query."""
        return np.diff(self.offsets)


def within_radius(database: np.ndarray, queries: np.ndarray, radius: float) -> Positives:
    """Positives by planar Euclidean distance, radius inclusive, in float64.

    Args:
        database: (D, 2) or (D, 3) metres, east and north first; rows with NaN are never positive.
        queries: (Q, 2) or (Q, 3); rows with NaN have no positives.
        radius: metres.
    """
    return _search(lambda rows: database[rows], len(database), queries, radius)


Points = Callable[[slice | np.ndarray], np.ndarray]
"""Rows of a database -> their (n, 2) or (n, 3) metres, so that a mapped database is never copied whole."""


def _search(points: Points, count: int, queries: np.ndarray, radius: float) -> Positives:
    askable = np.flatnonzero((np.abs(queries) < FARTHEST).all(1))
    rows_of_tree = _reachable(points, count, queries[askable], radius)
    rows = [np.zeros(0, np.int64)] * len(queries)
    if not len(rows_of_tree):
        return Positives._join(rows)
    near = points(rows_of_tree)
    tree = cKDTree(near)
    for start in range(0, len(askable), BLOCK):
        block = askable[start : start + BLOCK]
        # The tree's own comparison rounds; a slightly wider search, then the exact one, makes the radius inclusive.
        nearby = tree.query_ball_point(queries[block], radius * (1 + 1e-9) + 1e-6, return_sorted=True)
        for query, found in zip(block, nearby, strict=True):
            candidates = np.asarray(found, np.int64)
            offset = near[candidates] - queries[query]
            rows[query] = rows_of_tree[candidates[np.sqrt((offset * offset).sum(1)) <= radius]]
    return Positives._join(rows)


def _reachable(points: Points, count: int, queries: np.ndarray, radius: float) -> np.ndarray:
    """Database rows in the squares around the queries, where these leave most of the database out; else all known."""
    side = radius * (1 + 1e-6) + 1e-3
    wanted, low = _squares(queries[:, :2], side) if count >= MANY and len(queries) else (None, None)
    kept = []
    for start in range(0, count, MANY):
        block = points(slice(start, start + MANY))
        known = (np.abs(block) < FARTHEST).all(1)
        if wanted is None:
            kept.append(np.flatnonzero(known) + start)
            continue
        place = (block[:, :2] - low) / side
        inside = np.flatnonzero(known & (place >= 0).all(1) & (place < wanted.shape).all(1))
        at = place[inside].astype(np.int64)
        kept.append(inside[wanted[at[:, 0], at[:, 1]]] + start)
    return np.concatenate(kept) if kept else np.zeros(0, np.int64)


def _squares(queries: np.ndarray, side: float) -> tuple[np.ndarray | None, np.ndarray]:
    """(squares around the queries, corner of their region); None where there would be too many."""
    low = queries.min(0) - 2 * side
    span = np.floor((queries.max(0) - low) / side) + 3
    if span[0] * span[1] > SQUARES:
        return None, low
    wanted = np.zeros(span.astype(np.int64), bool)
    cell = np.floor((queries - low) / side).astype(np.int64)
    for right in (-1, 0, 1):
        for up in (-1, 0, 1):
            wanted[cell[:, 0] + right, cell[:, 1] + up] = True  # two squares lie around the outermost queries
    return wanted, low


def planar(database: Records, queries: Records, radius: float) -> Positives:
    """Positives on the bare UTM numbers, zones ignored: what published numbers of the field use."""
    return _search(_bare(database), len(database), _numbers(queries), radius)


def zone_aware(database: Records, queries: Records, radius: float) -> Positives:
    """Positives by true planar distance: per zone, with neighbours across a zone border re-projected into the zone.

    Records without a readable zone take part in every zone, and on either side of the equator, by their bare numbers.
    """
    sides = queries.south & bool((database.zone == 0).any() and (queries.zone > 0).any())
    areas = np.unique(np.stack([queries.zone, sides], 1), axis=0)
    if len(areas) == 1:
        return _of_zone(database, queries, int(areas[0, 0]), bool(areas[0, 1]), radius)
    rows: list[np.ndarray] = [np.zeros(0, np.int64)] * len(queries)
    for zone, south in areas:
        asking = np.flatnonzero((queries.zone == zone) & (sides == bool(south)))
        found = _of_zone(database, queries.take(asking), int(zone), bool(south), radius)
        for query, numbers in zip(asking, found, strict=True):
            rows[query] = numbers
    return Positives._join(rows)


def _of_zone(database: Records, queries: Records, zone: int, south: bool, radius: float) -> Positives:
    """`south`: the side of the equator that records without a zone are taken to lie on."""
    if zone == 0:
        return _search(_bare(database), len(database), _numbers(queries), radius)
    return _in_plane(database, queries, zone, south, radius)


def _bare(records: Records) -> Points:
    return lambda rows: np.stack([records.east[rows], records.north[rows]], 1)


def frame_window(database: np.ndarray, queries: np.ndarray, window: int) -> Positives:
    """Positives by frame: database images within `window` of the query's, inclusive.

    Args:
        database: (D,) int64 frame of each database image.
        queries: (Q,) int64 frames that the windows lie around.
        window: frames to either side.
    """
    order = np.argsort(database, kind="stable")
    frames = database[order]
    starts = np.searchsorted(frames, queries - window, "left")
    lengths = np.searchsorted(frames, queries + window, "right") - starts
    offsets = np.append(0, np.cumsum(lengths)).astype(np.int64)
    numbers = order[np.arange(offsets[-1], dtype=np.int64) + np.repeat(starts - offsets[:-1], lengths)]
    found = Positives(offsets, numbers)
    return found if (np.diff(order) > 0).all() else Positives.of(list(found))


def count_unreadable_zones(*tables: Records) -> int:
    """Records that have a position but no zone, where others have one (none at all is a data set without zones)."""
    known = sum(int((table.has_position & (table.zone > 0)).sum()) for table in tables)
    unknown = sum(int((table.has_position & (table.zone == 0)).sum()) for table in tables)
    return unknown if known else 0


def crosses_zones(*tables: Records) -> list[int]:
    """The distinct zones in use."""
    zones = np.unique(np.concatenate([table.zone[table.has_position] for table in tables]))
    return [int(zone) for zone in zones if zone > 0]


def _numbers(records: Records) -> np.ndarray:
    return np.stack([records.east, records.north], 1)


def _plane(records: Records) -> np.ndarray:
    return np.stack([records.east, geo.plane_north(records.north, records.south)], 1)


def _in_plane(database: Records, queries: Records, zone: int, south: bool, radius: float) -> Positives:
    """All queries lie in `zone`; database records of other zones join where they come close to its border."""
    foreign = np.flatnonzero((database.zone > 0) & (database.zone != zone))
    whole = _on_plane(database, south)
    if not foreign.size:
        return _search(whole, len(database), _plane(queries), radius)
    points = whole(slice(None))
    others = database.take(foreign).with_latlon()
    near = np.flatnonzero(_near_zone(others, zone, radius))
    points[foreign] = np.nan
    forced = np.full(near.size, zone, np.int16)
    east, north, _, below = geo.to_utm(others.latitude[near], others.longitude[near], forced)
    points[foreign[near]] = np.stack([east, geo.plane_north(north, below)], 1)
    return within_radius(points, _plane(queries), radius)


def _on_plane(records: Records, south: bool) -> Points:
    def points(rows: slice | np.ndarray) -> np.ndarray:
        below = np.where(records.zone[rows] == 0, south, records.south[rows])
        return np.stack([records.east[rows], geo.plane_north(records.north[rows], below)], 1)

    return points


def _near_zone(records: Records, zone: int, radius: float) -> np.ndarray:
    """Within the radius (and a kilometre) of the zone's meridians, or in a high-latitude exception zone."""
    metres_per_degree = 111_320 * np.cos(np.radians(np.clip(np.abs(records.latitude), 0, 84)))
    from_centre = np.abs((records.longitude - (zone * 6 - 183) + 180) % 360 - 180)
    # Norway's and Svalbard's wide zones begin at 56 N; who asks from just inside has neighbours just outside.
    north = records.latitude >= 56 - (radius + 1000) / 111_320
    exceptions = north & (records.longitude >= 0) & (records.longitude < 42)
    return np.asarray((from_centre <= 3 + (radius + 1000) / metres_per_degree) | (exceptions & (from_centre <= 12)))
