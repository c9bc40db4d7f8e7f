"""Answers of a map: hits, and a position estimated from the best of them."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vprkit.data import geo
from vprkit.data.records import Records
from vprkit.errors import ConfigError
from vprkit.registry import Metric

AGREEMENT_METRES = 50.0
"""Hits further than this from the best one tell of another place and stay out of the estimate."""


@dataclass(frozen=True)
class Hit:
    """One database image found for a query.

    Attributes:
        rank: 1 is the best.
        name: as in the map; `path` is where the file was.
        score: higher is better (inner product, or minus the squared distance).
        latitude, longitude: degrees, None where unknown; east, north, zone, south: the same in UTM.
        row: its number in the map.
    """

    rank: int
    name: str
    path: Path
    score: float
    latitude: float | None
    longitude: float | None
    east: float | None
    north: float | None
    zone: int | None
    south: bool
    heading: float | None
    row: int
    text: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "path": str(self.path)}


@dataclass(frozen=True)
class Estimate:
    """A position estimated from several hits.

    Attributes:
        latitude, longitude: degrees.
        spread_m: weighted root mean square distance of the hits used from it, metres.
        hits: how many were used.
    """

    latitude: float
    longitude: float
    spread_m: float
    hits: int


@dataclass(frozen=True)
class Location(Sequence[Hit]):
    """The answer to one query.

    Attributes:
        query: path or name of the photo.
        hits: best first.
        estimate: the position they suggest, None where none has one.
        error: why there is no answer, where the photo could not be read and was skipped.
        confidence: calibrated probability that the first hit is right, None where nothing was calibrated.
        known: whether the confidence reaches what was asked for; False: "I do not know this place"; None where nothing
            was asked for, and so nothing was judged.
        looked_at: best hits that the estimate was made from, those too far from the first included; `hits` may hold
            fewer.
    """

    query: str
    hits: tuple[Hit, ...]
    estimate: Estimate | None
    error: str | None = None
    confidence: float | None = None
    known: bool | None = None
    looked_at: int = 0

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, rank: Any) -> Any:
        return self.hits[rank]

    def to_dict(self) -> dict[str, Any]:
        return {
            "query": self.query,
            "error": self.error,
            "confidence": self.confidence,
            "known": self.known,
            "looked_at": self.looked_at,
            "estimate": None if self.estimate is None else dataclasses.asdict(self.estimate),
            "hits": [hit.to_dict() for hit in self.hits],
        }


def rejected_below(locations: Sequence[Location], least: float) -> list[Location]:
    """The same, each marked as known or not; an answer without a confidence does not reach what is asked for.

    Raises:
        ConfigError: it is no probability.
    """
    check_reject(least)
    return [
        dataclasses.replace(location, known=location.confidence is not None and location.confidence >= least)
        for location in locations
    ]


def check_reject(least: float) -> None:
    """Refuse a threshold that is no probability."""
    if not 0 <= least <= 1:
        raise ConfigError(f"reject must be a probability from 0 to 1, got {least}")


def estimate_position(hits: Sequence[Hit], metric: Metric) -> Estimate | None:
    """Mean position of the hits near the best one, weighted by the inverse square of their descriptor distance."""
    placed = [hit for hit in hits if hit.latitude is not None and hit.longitude is not None]
    if not placed:
        return None
    near = [placed[0], *(hit for hit in placed[1:] if geo.metres_apart(placed[0], hit) <= AGREEMENT_METRES)]
    distances = np.array([descriptor_distance(hit.score, metric) for hit in near])
    weights = 1.0 / np.maximum(distances, 1e-3) ** 2
    weights /= weights.sum()
    zone, south = near[0].zone, near[0].south
    if zone is None or near[0].east is None or any(hit.zone != zone for hit in near):
        return Estimate(_known(placed[0].latitude), _known(placed[0].longitude), 0.0, 1)
    north = geo.plane_north(np.array([hit.north for hit in near], float), np.array([hit.south for hit in near]))
    points = np.stack([np.array([hit.east for hit in near], float), north], 1)
    centre = weights @ points
    spread = math.sqrt(float(weights @ ((points - centre) ** 2).sum(1)))
    true_north = centre[1] + (geo.FALSE_NORTHING if south else 0.0)
    latitude, longitude = geo.to_latlon(
        np.array([centre[0]]), np.array([true_north]), np.array([zone]), np.array([south])
    )
    return Estimate(float(latitude[0]), float(longitude[0]), spread, len(near))


def descriptor_distance(score: float, metric: Metric) -> float:
    """Euclidean distance between descriptors, from a score (for `ip`: of unit vectors)."""
    squared = -score if metric == "l2" else 2.0 - 2.0 * score
    return math.sqrt(max(0.0, squared))


def distinct_rows(records: Records, metres: float, top: int) -> np.ndarray:
    """Positions of the first `top` records, best first, at least `metres` from every better one kept.

    Records without a position are distinct from all others.
    """
    alive = np.ones(len(records), bool)
    kept: list[int] = []
    while len(kept) < top and alive.any():
        best = int(alive.argmax())
        kept.append(best)
        alive &= ~(geo.metres_from(records, best) < metres)
        alive[best] = False
    return np.array(kept, np.int64)


def _known(value: float | None) -> float:
    assert value is not None
    return value
