"""Training sets: images with a label of the place each shows."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from vprkit.data.descriptions import read_descriptions
from vprkit.data.layouts.place_layout import place_layouts
from vprkit.data.records import Records
from vprkit.errors import ConfigError, DataError


@dataclass(frozen=True, eq=False)
class PlaceSet:
    """Images of places.

    Attributes:
        name: what logs call it.
        records: the images.
        labels: (N,) int64 label of each image's place.
        groups: (N,) int64 group of each image (its city): batches may stay inside one.
        recency: (N,) int64, higher is newer; what "the newest K images" goes by.
    """

    name: str
    records: Records
    labels: np.ndarray
    groups: np.ndarray
    recency: np.ndarray

    def __post_init__(self) -> None:
        for column in (self.labels, self.groups, self.recency):
            if column.shape != (len(self.records),):
                raise DataError(f"{self.name}: {len(self.records)} images but a column of shape {column.shape}")

    def __len__(self) -> int:
        """Images."""
        return len(self.records)

    @cached_property
    def places(self) -> np.ndarray:
        """(P,) labels, ascending."""
        return np.unique(self.labels)

    def with_at_least(self, images: int) -> "PlaceSet":
        """The same without places of fewer images.

        Raises:
            DataError: no place is left.
        """
        _, code, counts = np.unique(self.labels, return_inverse=True, return_counts=True)
        kept = np.flatnonzero(counts[code] >= images)
        if not kept.size:
            raise DataError(f"{self.name}: no place has {images} images (the most is {counts.max(initial=0)})")
        return self.take(kept)

    def take(self, rows: np.ndarray) -> "PlaceSet":
        """Only these images, in this order."""
        picked = {field: getattr(self, field)[rows] for field in ("labels", "groups", "recency")}
        return dataclasses.replace(self, records=self.records.take(rows), **picked)

    def newest(self, images: int) -> "PlaceSet":
        """The newest `images` of every place, newest first: the deterministic choice of the GSV-Cities recipes."""
        order = np.lexsort((-self.recency, self.labels))
        labels = self.labels[order]
        starts = np.flatnonzero(np.append(True, labels[1:] != labels[:-1]))
        rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
        return self.take(order[rank < images])


def open_places(
    path: str | Path,
    *,
    min_images: int = 4,
    groups: Sequence[str] | None = None,
    texts: str | Path | None = None,
) -> PlaceSet:
    """Read a training set in the layout it came in.

    Args:
        path: its folder.
        min_images: places with fewer images are dropped.
        groups: only these groups (cities; groups of cells for SF-XL), in this order; it decides the labels.
        texts: a CSV of descriptions (`image_path,description`) to attach to the images.

    Raises:
        DataError: no such folder, no layout fits, or a table cannot be read; the place is named.
    """
    path = Path(path)
    if min_images < 1:
        raise ConfigError(f"min_images must be at least 1, got {min_images}")
    if not path.is_dir():
        raise DataError(f"{path}: there is no such folder; give the folder of a training set")
    known = place_layouts()
    found = next((table for layout in known if (table := layout.read(path, groups)) is not None), None)
    if found is None:
        raise DataError(f"{path}: no known training layout. Understood: {'; '.join(row.summary for row in known)}")
    if texts is not None:
        found = found._replace(records=read_descriptions(texts).attach(found.records))
    return PlaceSet(path.resolve().name, *found).with_at_least(min_images)
