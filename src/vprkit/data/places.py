"""Training sets: images with a label of the place each shows."""

import dataclasses
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from vprkit.data.decoding import Photo
from vprkit.data.descriptions import read_descriptions
from vprkit.data.layouts.place_layout import place_layouts
from vprkit.data.records import Records
from vprkit.errors import ConfigError, DataError


class Places(Protocol):
    """What batches of places are drawn from: N images, each with a label of the place it shows.

    `PlaceSet` is what the library reads from disk, `CustomPlaces` the base of a data set of one's own.
    """

    @property
    def name(self) -> str:
        """What logs call it."""

    @property
    def labels(self) -> np.ndarray:
        """(N,) int64 label of each image's place."""

    @property
    def groups(self) -> np.ndarray:
        """(N,) int64 group of each image (its city): batches may stay inside one."""

    @property
    def recency(self) -> np.ndarray:
        """(N,) int64, higher is newer; what "the newest K images" goes by."""

    def photo(self, row: int) -> Photo:
        """Image `row`: a path, the bytes of a file, a PIL image or a uint8 array. Called from several threads."""

    def fingerprint(self) -> str:
        """A hash of what the set holds, in order: a resumed run must see the same."""


class CustomPlaces(ABC):
    """A training set of one's own: give names and labels here, and the images in `photo`.

    Args:
        name: what logs call it.
        labels: (N,) label of each image's place, whole numbers: `np.unique(names, return_inverse=True)[1]` makes them
            of names.
        groups: (N,) group of each image, likewise; default one group.
        recency: (N,) higher is newer; default the order of the images.

    Raises:
        DataError: one of these is no column of whole numbers, or they differ in length.
    """

    def __init__(
        self,
        name: str,
        labels: Sequence[int] | np.ndarray,
        groups: Sequence[int] | np.ndarray | None = None,
        recency: Sequence[int] | np.ndarray | None = None,
    ) -> None:
        self.name = name
        self.labels = _whole(name, "labels", labels)
        self.groups = np.zeros(len(self), np.int64) if groups is None else _whole(name, "groups", groups)
        self.recency = np.arange(len(self)) if recency is None else _whole(name, "recency", recency)
        _check_columns(name, len(self), self.labels, self.groups, self.recency)

    def __len__(self) -> int:
        """Images."""
        return len(self.labels)

    @abstractmethod
    def photo(self, row: int) -> Photo:
        """Image `row`: a path, the bytes of a file, a PIL image or a uint8 array. Called from several threads."""

    def fingerprint(self) -> str:
        """A hash of labels and groups in order; override it where the images may change under the same labels."""
        return hashlib.sha256(self.labels.tobytes() + self.groups.tobytes()).hexdigest()


class JoinedPlaces(CustomPlaces):
    """Several training sets as one: labels and groups are shifted apart."""

    def __init__(self, sets: Sequence[Places]) -> None:
        self.sets = list(sets)
        self._starts = np.concatenate([[0], np.cumsum([len(part.labels) for part in sets])])
        super().__init__(
            " + ".join(part.name for part in sets),
            _shifted([part.labels for part in sets]),
            _shifted([part.groups for part in sets]),
            np.concatenate([part.recency for part in sets]),
        )

    def photo(self, row: int) -> Photo:
        part = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self.sets[part].photo(int(row - self._starts[part]))

    def fingerprint(self) -> str:
        return hashlib.sha256("".join(part.fingerprint() for part in self.sets).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class PlaceSet:
    """Images of places on disk.

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
        _check_columns(self.name, len(self.records), self.labels, self.groups, self.recency)

    def __len__(self) -> int:
        """Images."""
        return len(self.records)

    def photo(self, row: int) -> Path:
        """Where image `row` is."""
        return self.records.path(row)

    def fingerprint(self) -> str:
        """A hash of names and labels in order."""
        return hashlib.sha256(self.records.list_hash().encode() + self.labels.tobytes()).hexdigest()

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


def join_places(sets: Sequence[Places]) -> Places:
    """One training set of several; places of different sets never share a label."""
    if not sets:
        raise ConfigError("there is no training set to draw from")
    return sets[0] if len(sets) == 1 else JoinedPlaces(sets)


def _shifted(columns: Sequence[np.ndarray]) -> np.ndarray:
    """The columns one after the other, each lifted above the greatest number of those before it."""
    lifted = [columns[0]]
    for column in columns[1:]:
        start = max(int(part.max(initial=-1)) for part in lifted) + 1
        lifted.append(column - (column.min() if column.size else 0) + start)
    return np.concatenate(lifted)


def _whole(name: str, what: str, given: Sequence[int] | np.ndarray) -> np.ndarray:
    """A column of whole numbers; a fraction would be cut off, and places that differ by it become one."""
    try:
        column = np.asarray(given)
        with np.errstate(invalid="ignore"):  # NaN becomes some number, and differs from it
            whole = column.astype(np.int64)
        if column.ndim == 1 and column.dtype.kind in "biufO" and (column == whole).all():
            return whole
    except (ValueError, TypeError, OverflowError):
        pass  # ragged, or objects that are no numbers: the sentence below says what is wanted
    raise DataError(
        f"{name}: {what} must be one whole number per image; np.unique(names, return_inverse=True)[1] makes such "
        "numbers of names"
    )


def _check_columns(name: str, images: int, *columns: np.ndarray) -> None:
    for column in columns:
        if column.shape != (images,):
            raise DataError(f"{name}: {images} images but a column of shape {column.shape}")
