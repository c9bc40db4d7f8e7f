"""Pairs of crops of panoramas that face one point of their cell from sufficiently different sides (Pair-VPR).

Angles follow from file names, so every pair is drawn before anything is decoded.
"""

import hashlib
import json
from dataclasses import dataclass

import numpy as np
from PIL import Image

from vprkit import config
from vprkit.config import option
from vprkit.data.decoding import decode
from vprkit.data.focal_points import LATERAL, focal_points, second_axes
from vprkit.data.grouped_images import GroupedImages
from vprkit.data.groups import PANORAMA, bearing_towards, crop_towards
from vprkit.data.members import Members
from vprkit.data.panoramas import cut
from vprkit.errors import ConfigError, DataError

ATTEMPTS = 10
"""Draws of the second panorama; the last one counts whatever it is."""

PATIENT = 4
"""Draws of these during which only angles in the range count; later ones need `APART` alone."""

APART = 0.1
"""Degrees."""


@dataclass(frozen=True)
class PairViews:
    """Where the two panoramas of a pair look, and from how different sides."""

    distances: tuple[int, int] = option((10, 20), "metres from a cell's mean to the point looked at, drawn evenly")
    angles: tuple[float, float] = option((3.0, 50.0), "degrees between the two bearings, least and greatest wanted")
    dynamic: bool = option(True, "another point every epoch; false: one fixed point per cell, at the least distance")

    def __post_init__(self) -> None:
        for name in ("distances", "angles"):
            low, high = getattr(self, name)
            if not 0 <= low <= high:
                raise ConfigError(f"views.{name} must be two rising numbers of at least 0, got {low} and {high}")


class PanoramaPairs:
    """A pair of crops of every cell. A view is `image * PANORAMA + left column`.

    Args:
        name: what logs call it.
        images: panoramas in cells.
        views: which pairs are wanted.

    Raises:
        DataError: no cell has enough images, or a panorama of one has no heading.
    """

    def __init__(self, name: str, images: GroupedImages, views: PairViews) -> None:
        self.name, self.images, self.pairs = name, images, views
        grouped, records = images.grouped, images.records
        if not len(grouped.classes):
            raise DataError(f"{name}: no cell has {images.grouping.min_images} panoramas; lower min_images")
        images.check_headings()
        self._members = Members.of(grouped.labels, len(grouped.classes))
        self._axes = second_axes(records.east, records.north, grouped.labels, len(grouped.classes))

    @property
    def views(self) -> int:
        return len(self.images.records) * PANORAMA

    def __len__(self) -> int:
        return len(self._members)

    def draw(self, generator: np.random.Generator) -> np.ndarray:
        records, everyone = self.images.records, np.arange(len(self))
        points = self._points(generator)
        candidates = self._members.draw_again(everyone, 1 + ATTEMPTS, generator)  # (C, 1 + A): the first, then the rest
        bearings = bearing_towards(records.east[candidates], records.north[candidates], *points)
        chosen = accepted(bearings[:, 0], bearings[:, 1:], self.pairs.angles)
        images = np.stack([candidates[:, 0], candidates[everyone, 1 + chosen]], 1)
        columns = crop_towards(records.heading[images], records.east[images], records.north[images], *points)
        return np.asarray(images * PANORAMA + columns)

    def photo(self, view: int) -> Image.Image:
        image, column = divmod(view, PANORAMA)
        return cut(decode(self.images.records.path(image)), column)

    def another(self, view: int, generator: np.random.Generator) -> int:
        """A neighbouring panorama, looking in the same direction."""
        image, column = divmod(view, PANORAMA)
        cell = self.images.grouped.labels[[image]]
        other = int(self._members.draw_again(cell, 1, generator)[0, 0])
        heading = self.images.records.heading
        turned = int((heading[image] - heading[other]) % 360 / 360 * PANORAMA)
        return other * PANORAMA + (column + turned) % PANORAMA

    def fingerprint(self) -> str:
        rule = json.dumps(config.to_dict(self.pairs), sort_keys=True)
        return hashlib.sha256((self.images.fingerprint() + rule).encode()).hexdigest()

    def _points(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """(C, 1) east and north of what each cell's pair looks at."""
        low, high = self.pairs.distances
        if self.pairs.dynamic:
            distance = generator.integers(low, high, len(self), endpoint=True)
            points = focal_points(self._axes, distance, generator.integers(0, 360, len(self)))
        else:
            points = focal_points(self._axes, low, LATERAL)
        return points[:, :1], points[:, 1:]


def signed_difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Degrees from `other` to `one`, in (-180, 180]."""
    turned = np.asarray(one - other) % 360
    return np.asarray(np.where(turned > 180, turned - 360, turned))


def accepted(first: np.ndarray, candidates: np.ndarray, angles: tuple[float, float]) -> np.ndarray:
    """(C,) which attempt, from 0, gives the partner.

    The first whose bearing differs by an angle in the range; from the fifth on any that differs by more than `APART`
    will do; the tenth counts whatever it is.

    Args:
        first: (C,) bearings in degrees.
        candidates: (C, A) those of further draws; at least `ATTEMPTS`, others are not looked at.
        angles: least and greatest difference wanted, both included.
    """
    apart = np.abs(signed_difference(candidates[:, :ATTEMPTS], first[:, None]))
    good = (apart >= angles[0]) & (apart <= angles[1])
    good[:, PATIENT:] |= apart[:, PATIENT:] > APART
    good[:, ATTEMPTS - 1] = True
    return np.asarray(good.argmax(1))
