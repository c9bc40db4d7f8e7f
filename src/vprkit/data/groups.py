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
        corners = self._corners(east, north, heading)
        classes, label, counts = np.unique(corners, axis=0, return_inverse=True, return_counts=True)
        kept = np.flatnonzero(counts >= self.min_images)
        number = np.full(len(classes), -1, np.int64)
        number[kept] = np.arange(len(kept))
        labels = number[label.ravel()]
        group_of_class = self._groups(classes[kept], labels)
        group_of_image = np.where(labels >= 0, np.append(group_of_class, -1)[labels], -1)
        return Grouped(labels, group_of_image, classes[kept], group_of_class, int(group_of_class.max(initial=-1)) + 1)

    def _corners(self, east: np.ndarray, north: np.ndarray, heading: np.ndarray) -> np.ndarray:
        used = heading if self.degrees else np.zeros(len(east))
        known = np.isfinite(east) & np.isfinite(north) & np.isfinite(used)
        if not known.all():
            what = "position" if not (np.isfinite(east) & np.isfinite(north)).all() else "heading"
            raise DataError(
                f"{int((~known).sum())} of {len(known)} images have no {what}; classes need it of every one"
            )
        sector = self.degrees or 1
        columns = [np.floor(np.asarray(values, np.float64) / step) * step
                   for values, step in ((east, self.metres), (north, self.metres), (used, sector))]  # fmt: skip
        return np.stack(columns, 1).astype(np.int64)

    def _groups(self, classes: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """(C,) group numbers in the order of the first image of a kept class."""
        side = self.metres * self.cells
        parts = [classes[:, 0] % side // self.metres, classes[:, 1] % side // self.metres]
        parts.append(classes[:, 2] % (self.degrees * self.sectors) // self.degrees if self.degrees else parts[0] * 0)
        code = (parts[0] * self.cells + parts[1]) * self.sectors + parts[2]
        seen = code[labels[labels >= 0]]
        values, first = np.unique(seen, return_index=True)
        number = np.zeros(self.cells * self.cells * self.sectors, np.int64)
        number[values[np.argsort(first)]] = np.arange(len(values))
        return np.asarray(number[code])


EIGENPLACES = CosPlaceGrouping(metres=15, degrees=0, cells=3, min_images=5)
PAIR_VPR = CosPlaceGrouping(metres=15, degrees=0, cells=1, min_images=5)
COSPLACE = CosPlaceGrouping()


def crop_towards(
    heading: np.ndarray, east: np.ndarray, north: np.ndarray, focal_east: float, focal_north: float
) -> np.ndarray:
    """(N,) left column of the 512 columns of a panorama that face a point, wrapping round; headings with 90 east.

    Args:
        heading: (N,) direction of each panorama's centre, compass degrees.
        east, north: (N,) where it stands, metres.
        focal_east, focal_north: the point.
    """
    bearing = np.degrees(np.arctan2(focal_east - east, focal_north - north)) % 360
    crop = (bearing / 360 * PANORAMA % PANORAMA).astype(np.int64)
    yaw = ((180 - np.floor(heading)) % 360 / 360 * PANORAMA).astype(np.int64)
    return np.asarray((yaw + crop - CROP // 2) % PANORAMA)
