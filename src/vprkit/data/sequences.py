"""Items that are several images each: sequences of frames that ask or answer as one."""

import dataclasses
import hashlib
from dataclasses import dataclass

import numpy as np

from vprkit.data.records import Records


@dataclass(frozen=True, eq=False)
class Frames:
    """What the S items of one role consist of.

    Attributes:
        records: every image that occurs, once.
        rows: (S, L) their numbers per item, in the order of the drive; L is 1 where single images ask or answer.
    """

    records: Records
    rows: np.ndarray

    @staticmethod
    def of(records: Records, rows: np.ndarray) -> "Frames":
        """From (S, L) rows of a larger table: only images that occur are kept, in the table's order."""
        used, places = np.unique(rows, return_inverse=True)
        return Frames(records.take(used), places.reshape(rows.shape))

    @property
    def length(self) -> int:
        """Images per item."""
        return int(self.rows.shape[1])

    def take(self, items: np.ndarray) -> "Frames":
        """The same images with only these items."""
        return dataclasses.replace(self, rows=self.rows[items])

    def names(self, item: int) -> list[str]:
        """Names of one item's images."""
        return [self.records.names[int(row)] for row in self.rows[item]]

    def list_hash(self) -> str:
        """SHA-256 of the images' names and of which item holds which."""
        digest = hashlib.sha256(self.records.list_hash().encode())
        digest.update(np.ascontiguousarray(self.rows, "<i8").tobytes())
        digest.update(str(self.rows.shape).encode())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Sequenced:
    """Frames of both roles of an evaluation set."""

    database: Frames
    queries: Frames

    def take_queries(self, items: np.ndarray) -> "Sequenced":
        return dataclasses.replace(self, queries=self.queries.take(items))

    def words(self) -> str:
        """`queries of 3 frames, database of 1`."""
        return f"queries of {self.queries.length} frames, database items of {self.database.length}"
