"""Training by triplets: queries, what may stand for their place, and what must not stand against it."""

from dataclasses import dataclass

import numpy as np

from vprkit.data import positives as rules
from vprkit.data.positives import Positives
from vprkit.data.records import Records
from vprkit.errors import DataError


@dataclass(frozen=True, eq=False)
class TripletSet:
    """Queries and a database to draw (query, positive, negatives) from.

    Attributes:
        name: what logs call it.
        database: images that positives and negatives come from.
        queries: those that have a positive.
        kept: (Q,) their numbers among all queries of the data set.
        positives: database images near enough to learn from.
        neighbours: database images too near to be negatives; aligned with `queries`.
    """

    name: str
    database: Records
    queries: Records
    kept: np.ndarray
    positives: Positives
    neighbours: Positives

    def __post_init__(self) -> None:
        if not len(self.queries) == len(self.kept) == len(self.positives) == len(self.neighbours):
            raise DataError(f"{self.name}: queries, positives and neighbours differ in number")

    def image(self, number: int) -> tuple[Records, int]:
        """Where image `number` is; queries count on after the database."""
        count = len(self.database)
        return (self.database, number) if number < count else (self.queries, number - count)


def triplet_set(
    name: str, database: Records, queries: Records, radius: float = 10.0, excluded: float = 25.0
) -> TripletSet:
    """Positives within `radius` metres, no negatives within `excluded`; queries without a positive are left out.

    Raises:
        DataError: no query has a positive.
    """
    near, around = (rules.zone_aware(database, queries, metres) for metres in (radius, excluded))
    kept = np.flatnonzero(near.counts > 0)
    if not kept.size:
        raise DataError(f"{name}: no query has a database image within {radius:g} m to learn from")
    return TripletSet(name, database, queries.take(kept), kept, near.take(kept), around.take(kept))
