"""Classes of training images without place labels: cells of position and heading, and groups of cells apart.

CosPlace (Berton et al., CVPR 2022) cuts the plane into squares of M metres and headings into sectors of alpha degrees;
EigenPlaces (ICCV 2023) leaves headings out. Classes of one group are never neighbours. Group numbers follow the first
image, in list order, whose class is kept; classes are sorted, where the original takes the order of a Python set, which
depends on the interpreter.
"""

from dataclasses import dataclass

import numpy as np

from vprkit.config import option
from vprkit.errors import ConfigError, DataError

PANORAMA = 3328
"""Columns of an SF-XL panorama."""

CROP = 512
"""Columns of a crop."""


@dataclass(frozen=True, eq=False)
class Grouped:
    """Images in classes, classes in groups.

    Attributes:
        labels: (N,) int64 class of each image, -1 where its class has too few images.
        group_of_image: (N,) int64 group of that class, -1 likewise.
        classes: (C, 3) int64 east, north and heading of each class's corner; 0 heading where it plays no part.
        group_of_class: (C,) int64.
        groups: how many groups there are.
    """

    labels: np.ndarray
    group_of_image: np.ndarray
    classes: np.ndarray
    group_of_class: np.ndarray
    groups: int


@dataclass(frozen=True)
class CosPlaceGrouping:
    """How images become classes."""

    metres: int = option(10, "side M of a cell")
    degrees: int = option(30, "sector alpha of headings; 0 leaves headings out (EigenPlaces)")
    cells: int = option(5, "N, neighbouring cells that belong to different groups, per axis")
    sectors: int = option(2, "L, likewise of sectors")
    min_images: int = option(10, "classes with fewer are dropped")

    def __post_init__(self) -> None:
        if min(self.metres, self.cells, self.sectors, self.min_images) < 1 or self.degrees < 0:
            raise ConfigError(f"a grouping needs positive whole numbers, got {self}")

    def group(self, east: np.ndarray, north: np.ndarray, heading: np.ndarray) -> Grouped:
        """Classes and groups of N images.

        Args:
            east, north: (N,) metres.
            heading: (N,) degrees; left out of account where `degrees` is 0.

        Raises:
            DataError: an image has no position, or no heading where it is needed.
        """
        steps = np.array([self.metres, self.metres, self.degrees or 1])
        cells, label, counts = _distinct(self._cells(east, north, heading))
        classes = cells * steps
        kept = np.flatnonzero(counts >= self.min_images)
        number = np.full(len(classes), -1, np.int64)
        number[kept] = np.arange(len(kept))
        labels = number[label.ravel()]
        group_of_class = self._groups(classes[kept], labels)
        group_of_image = np.where(labels >= 0, np.append(group_of_class, -1)[labels], -1)
        return Grouped(labels, group_of_image, classes[kept], group_of_class, int(group_of_class.max(initial=-1)) + 1)

    def _cells(self, east: np.ndarray, north: np.ndarray, heading: np.ndarray) -> np.ndarray:
        used = heading if self.degrees else np.zeros(len(east))
        known = np.isfinite(east) & np.isfinite(north) & np.isfinite(used)
        if not known.all():
            what = "position" if not (np.isfinite(east) & np.isfinite(north)).all() else "heading"
            raise DataError(
                f"{int((~known).sum())} of {len(known)} images have no {what}; classes need it of every one"
            )
        sector = self.degrees or 1
        columns = [np.floor(np.asarray(values, np.float64) / step)
                   for values, step in ((east, self.metres), (north, self.metres), (used, sector))]  # fmt: skip
        return np.stack(columns, 1).astype(np.int64)

    def _groups(self, classes: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """(C,) group numbers in the order of the first image of a kept class."""
        side = self.metres * self.cells
        parts = [classes[:, 0] % side // self.metres, classes[:, 1] % side // self.metres]
        parts.append(classes[:, 2] % (self.degrees * self.sectors) // self.degrees if self.degrees else parts[0] * 0)
        code = (parts[0] * self.cells + parts[1]) * self.sectors + parts[2]
        seen = code[labels[labels >= 0]]
        first = np.full(self.cells * self.cells * self.sectors, len(seen))
        first[seen[::-1]] = np.arange(len(seen))[::-1]  # of several, the last one written stays: the first image
        number = np.argsort(np.argsort(first, kind="stable"), kind="stable")
        return np.asarray(number[code])


_DENSE = 8
"""Possible cells per image up to which they are counted instead of sorted."""


def _distinct(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """((C, 3) distinct rows in order, (N,) which of them each is, (C,) how many are) of (N, 3) whole numbers."""
    if not len(cells):
        return cells, np.zeros(0, np.int64), np.zeros(0, np.int64)
    low = cells.min(0)
    spans = [int(span) + 1 for span in cells.max(0) - low]
    if spans[0] * spans[1] * spans[2] >= 2**62:  # positions all over the place; sorting rows is slower
        return np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    moved = cells - low
    code = (moved[:, 0] * spans[1] + moved[:, 1]) * spans[2] + moved[:, 2]
    if spans[0] * spans[1] * spans[2] <= _DENSE * len(code):
        sizes = np.bincount(code)
        there = np.flatnonzero(sizes)
        number = np.zeros(len(sizes), np.int64)
        number[there] = np.arange(len(there))
        return low + np.stack(np.unravel_index(there, spans), 1), number[code], sizes[there]
    _, first, label, counts = np.unique(code, return_index=True, return_inverse=True, return_counts=True)
    return cells[first], label, counts


EIGENPLACES = CosPlaceGrouping(metres=15, degrees=0, cells=3, min_images=5)
PAIR_VPR = CosPlaceGrouping(metres=15, degrees=0, cells=1, min_images=5)
COSPLACE = CosPlaceGrouping()
RULES = {"cosplace": COSPLACE, "eigenplaces": EIGENPLACES, "pair-vpr": PAIR_VPR}
"""What `vpr data group` knows by name."""


def bearing_towards(
    east: np.ndarray, north: np.ndarray, focal_east: float | np.ndarray, focal_north: float | np.ndarray
) -> np.ndarray:
    """Compass degrees in [0, 360) from where a panorama stands to a point; arguments as of `crop_towards`."""
    return np.asarray(np.degrees(np.arctan2(focal_east - east, focal_north - north)) % 360)


def crop_towards(
    heading: np.ndarray,
    east: np.ndarray,
    north: np.ndarray,
    focal_east: float | np.ndarray,
    focal_north: float | np.ndarray,
) -> np.ndarray:
    """(N,) left column of the 512 columns of a panorama that face a point, wrapping round; headings with 90 east.

    Args:
        heading: (N,) direction of each panorama's centre, compass degrees.
        east, north: (N,) where it stands, metres.
        focal_east, focal_north: the point, or (N,) one for each.
    """
    bearing = bearing_towards(east, north, focal_east, focal_north)
    crop = (bearing / 360 * PANORAMA % PANORAMA).astype(np.int64)
    yaw = ((180 - np.floor(heading)) % 360 / 360 * PANORAMA).astype(np.int64)
    return np.asarray((yaw + crop - CROP // 2) % PANORAMA)
