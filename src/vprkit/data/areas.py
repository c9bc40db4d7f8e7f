"""Areas: parts of an evaluation set (its cities) that a search stays inside."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from vprkit.data.positives import Positives


@dataclass(frozen=True, eq=False)
class Areas:
    """Which part of a set each image belongs to.

    Attributes:
        names: of the parts.
        database, queries: (D,) and (Q,) int16, position in `names`.
    """

    names: tuple[str, ...]
    database: np.ndarray
    queries: np.ndarray

    def take_queries(self, rows: np.ndarray) -> "Areas":
        return dataclasses.replace(self, queries=self.queries[rows])

    def within(self, positives: Positives) -> Positives:
        """Positives without those that lie in another area than their query."""
        kept = self.database[positives.numbers] == np.repeat(self.queries, positives.counts)
        offsets = np.append(0, np.cumsum(kept))[positives.offsets]
        return Positives(offsets.astype(np.int64), positives.numbers[kept])
