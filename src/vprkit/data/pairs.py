"""Pairs of images of one place: what place-aware pre-training draws, from places or from cells of panoramas."""

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from vprkit.data.decoding import Photo
from vprkit.data.members import Members
from vprkit.data.places import Places


class PairSource(Protocol):
    """A training set that gives a pair of every class.

    A view is a whole number: an image, or an image with the part of it that is looked at.
    """

    @property
    def name(self) -> str:
        """What logs call it."""

    @property
    def views(self) -> int:
        """Views are numbers below it."""

    def __len__(self) -> int:
        """Classes."""

    def draw(self, generator: np.random.Generator) -> np.ndarray:
        """(classes, 2) views: a pair of every class."""

    def photo(self, view: int) -> Photo:
        """What a view shows. Called from several threads.

        Raises:
            ImageError: it cannot be read.
        """

    def another(self, view: int, generator: np.random.Generator) -> int:
        """Another view of the same class, where this one cannot be read."""

    def fingerprint(self) -> str:
        """A hash of what the set holds, in order."""


class PlacePairs:
    """Two different images of every place (of a place's only image, twice the same).

    Args:
        name: what logs call it.
        places: the training set.
    """

    def __init__(self, name: str, places: Places) -> None:
        self.name, self.places = name, places
        _, self._class = np.unique(places.labels, return_inverse=True)
        self._members = Members.of(self._class, int(self._class.max(initial=-1)) + 1)

    @property
    def views(self) -> int:
        return len(self._class)

    def __len__(self) -> int:
        return len(self._members)

    def draw(self, generator: np.random.Generator) -> np.ndarray:
        return self._members.draw(np.arange(len(self)), 2, generator)

    def photo(self, view: int) -> Photo:
        return self.places.photo(view)

    def another(self, view: int, generator: np.random.Generator) -> int:
        return int(self._members.draw(self._class[[view]], 1, generator)[0, 0])

    def fingerprint(self) -> str:
        return self.places.fingerprint()


class JoinedPairs:
    """Several sources as one: classes and views of each follow those of the one before.

    Args:
        sources: at least one.
    """

    def __init__(self, sources: Sequence[PairSource]) -> None:
        self.sources = list(sources)
        self._starts = np.concatenate([[0], np.cumsum([source.views for source in sources])])

    @property
    def name(self) -> str:
        return " + ".join(source.name for source in self.sources)

    @property
    def views(self) -> int:
        return int(self._starts[-1])

    def __len__(self) -> int:
        return sum(len(source) for source in self.sources)

    def draw(self, generator: np.random.Generator) -> np.ndarray:
        drawn = [source.draw(generator) + start for source, start in zip(self.sources, self._starts, strict=False)]
        return np.concatenate(drawn)

    def source_of(self, views: np.ndarray) -> np.ndarray:
        """(N,) number of the source that each of (N,) views belongs to."""
        return np.asarray(np.searchsorted(self._starts, views, side="right") - 1)

    def photo(self, view: int) -> Photo:
        source, own = self._own(view)
        return source.photo(own)

    def another(self, view: int, generator: np.random.Generator) -> int:
        source, own = self._own(view)
        return view - own + source.another(own, generator)

    def fingerprint(self) -> str:
        return hashlib.sha256("".join(source.fingerprint() for source in self.sources).encode()).hexdigest()

    def _own(self, view: int) -> tuple[PairSource, int]:
        number = int(self.source_of(np.array([view]))[0])
        return self.sources[number], int(view - self._starts[number])
