"""Which negatives a query learns from: mining as in the field's triplet programs, on global vectors only.

Arandjelovic et al., NetVLAD, CVPR 2016 (partial, full); Warburg et al., Mapillary Street-Level Sequences, CVPR 2020
(weights). A round draws queries, describes what it needs with the network as it is, and gives one row per query:
(query, positive, negatives), the nearest first.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from vprkit.data.triplets import TripletSet
from vprkit.errors import ConfigError, DataError

Describe = Callable[[np.ndarray], np.ndarray]
"""(N,) image numbers (queries count on after the database) -> (N, D) global vectors."""


class Chooser(Protocol):
    """What draws: NumPy's generators, old and new, and a recorded sequence."""

    def choice(self, a: int, size: int, replace: bool = True, p: Any = None) -> np.ndarray: ...


class Mining(ABC):
    """Draws triplets.

    Args:
        places: what is drawn from.
        negatives: K, negatives per query.
        samples: database images that negatives are sought among.
    """

    def __init__(self, places: TripletSet, negatives: int, samples: int) -> None:
        if negatives < 1 or samples < negatives:
            raise ConfigError(f"mining needs negatives >= 1 and samples >= negatives, got {negatives} and {samples}")
        self.places, self.negatives = places, negatives
        self.samples = min(samples, len(places.database))

    def round(self, count: int, chooser: Chooser, describe: Describe) -> np.ndarray:
        """(count, 2 + K) numbers: query (among the kept ones), positive and negatives (of the database)."""
        total = len(self.places.queries)
        if count > total:
            raise ConfigError(f"{self.places.name} has {total} queries with a positive, a round wants {count}")
        queries = chooser.choice(total, count, replace=False, **self.weights())
        return self._triplets(np.asarray(queries), chooser, describe)

    def weights(self) -> dict[str, Any]:
        """Further arguments of the draw of queries."""
        return {}

    @abstractmethod
    def _triplets(self, queries: np.ndarray, chooser: Chooser, describe: Describe) -> np.ndarray: ...

    def _sample(self, count: int, chooser: Chooser) -> np.ndarray:
        return np.asarray(chooser.choice(len(self.places.database), count, replace=False))

    def _row(self, query: int, positive: int, negatives: np.ndarray) -> np.ndarray:
        if len(negatives) < self.negatives:
            raise DataError(
                f"query {self.places.queries.names[query]} has {len(negatives)} possible negatives, wanted are "
                f"{self.negatives}; draw more samples"
            )
        return np.array([query, positive, *negatives[: self.negatives]], np.int64)


class Partial(Mining):
    """Negatives from one sample of the database, drawn anew every round."""

    def _triplets(self, queries: np.ndarray, chooser: Chooser, describe: Describe) -> np.ndarray:
        sample = self._sample(self.samples, chooser)
        vectors = _Vectors(self.places, np.concatenate([sample, _positives(self.places, queries)]), queries, describe)
        rows = []
        for query in queries:
            allowed = sample[~np.isin(sample, self.places.neighbours[query])]
            rows.append(self._row(query, vectors.nearest_positive(query), vectors.nearest(query, allowed)))
        return np.stack(rows)


class Weighted(Partial):
    """`Partial` with queries by night and sideways drawn more often, as their share is smaller (MSLS)."""

    def __init__(self, places: TripletSet, negatives: int, samples: int) -> None:
        super().__init__(places, negatives, samples)
        self._share = msls_weights(places)

    def weights(self) -> dict[str, Any]:
        return {"p": self._share}


class Full(Mining):
    """Negatives from a sample for every query, together with those of its last visit; the whole database described."""

    def __init__(self, places: TripletSet, negatives: int, samples: int) -> None:
        super().__init__(places, negatives, samples)
        self.remembered: dict[int, np.ndarray] = {}

    def _triplets(self, queries: np.ndarray, chooser: Chooser, describe: Describe) -> np.ndarray:
        vectors = _Vectors(self.places, np.arange(len(self.places.database)), queries, describe)
        rows = []
        for query in queries:
            positive = vectors.nearest_positive(query)
            sample = np.setdiff1d(self._sample(self.samples, chooser), self.places.neighbours[query])
            sought = np.union1d(self.remembered.get(int(query), sample[:0]), sample)
            row = self._row(query, positive, vectors.nearest(query, sought))
            self.remembered[int(query)] = row[2:]
            rows.append(row)
        return np.stack(rows)


class Random(Mining):
    """Any negatives, as they are drawn."""

    def _triplets(self, queries: np.ndarray, chooser: Chooser, describe: Describe) -> np.ndarray:
        vectors = _Vectors(self.places, _positives(self.places, queries), queries, describe)
        rows = []
        for query in queries:
            positive, excluded = vectors.nearest_positive(query), self.places.neighbours[query]
            count = min(self.negatives + len(excluded), len(self.places.database))
            sample = self._sample(count, chooser)
            rows.append(self._row(query, positive, sample[~np.isin(sample, excluded)]))
        return np.stack(rows)


MININGS: Mapping[str, type[Mining]] = {"partial": Partial, "full": Full, "random": Random, "msls_weighted": Weighted}
"""Name -> how negatives are found."""


def msls_weights(places: TripletSet) -> np.ndarray:
    """(Q,) probabilities: 1, more for queries by night and for sideways ones, summing to 1.

    An MSLS note is `day|night _ view direction _ city`; the set's own tables bring it, or its `@` names.

    Raises:
        DataError: no query is by night, or none sideways.
    """
    queries = places.queries
    notes = [(queries.text("note", row) or _note(name)).split("_") for row, name in enumerate(queries.names)]
    weights = np.ones(len(notes))
    for part, word in ((0, "night"), (1, "sideways")):
        marked = np.array([len(note) > part and note[part] == word for note in notes])
        if not marked.any():
            raise DataError(f"{places.name}: mining msls_weighted needs queries marked '{word}', there are none")
        weights += marked * len(notes) / marked.sum()
    return np.asarray(weights / weights.sum())


def _note(name: str) -> str:
    """The last field but one of an `@` name, however many fields it has."""
    fields = name.rpartition("/")[2].split("@")
    return fields[-2] if len(fields) > 1 else ""


class _Vectors:
    """Vectors of a round's queries and of the database images it needs."""

    def __init__(self, places: TripletSet, database: np.ndarray, queries: np.ndarray, describe: Describe) -> None:
        self.places = places
        self.known = np.unique(database)
        self.queries = {int(query): place for place, query in enumerate(queries)}
        self.database = describe(self.known)
        self.asked = describe(len(places.database) + queries).astype(np.float64)

    def nearest_positive(self, query: int) -> int:
        return int(self.nearest(query, self.places.positives[query])[0])

    def nearest(self, query: int, among: np.ndarray) -> np.ndarray:
        """`among` by rising distance, the first of equal ones first."""
        vectors = self.database[np.searchsorted(self.known, among)]
        distances = np.square(vectors - self.asked[self.queries[int(query)]]).sum(1)
        return np.asarray(among)[np.argsort(distances, kind="stable")]


def _positives(places: TripletSet, queries: np.ndarray) -> np.ndarray:
    return places.positives.take(queries).numbers
