"""Where a map's photos are, thinned so that a page can draw them."""

import functools
import json

import numpy as np

from vprkit.retrieval.map import Map

DEGREE = 1_000_000
"""Millionths of a degree, a tenth of a metre: whole numbers write shorter than fractions."""


@functools.lru_cache(maxsize=2)
def points_json(place_map: Map, most: int) -> bytes:
    """Positions of live records as JSON: `count` of all, and `latitude` and `longitude` in millionths of a degree,
    each less the one before.
    """
    records = place_map.records
    placed = place_map.live & np.isfinite(records.latitude) & np.isfinite(records.longitude)
    degrees = np.stack([records.latitude[placed], records.longitude[placed]], 1)
    chosen = np.round(degrees[thinned(degrees, most)] * DEGREE).astype(np.int64)
    steps = np.diff(chosen, axis=0, prepend=np.zeros((1, 2), np.int64))
    told = {"count": int(placed.sum()), "latitude": steps[:, 0].tolist(), "longitude": steps[:, 1].tolist()}
    return json.dumps(told, separators=(",", ":")).encode()


def thinned(degrees: np.ndarray, most: int) -> np.ndarray:
    """Ascending numbers of at most `most` of (N, 2) points: the first in each cell of the finest grid that does it.

    Cells are squares in degrees of latitude and of longitude; each coarser grid has cells twice as wide.
    """
    if len(degrees) <= most:
        return np.arange(len(degrees))
    low = degrees.min(0)
    span = float(max((degrees.max(0) - low).max(), 1e-9))
    cells = 2.0 ** np.ceil(np.log2(most))
    while True:
        cell = np.floor((degrees - low) / span * cells).astype(np.int64)
        first = np.unique(cell[:, 0] * int(cells + 1) + cell[:, 1], return_index=True)[1]
        if len(first) <= most:
            return np.sort(first)
        cells /= 2
