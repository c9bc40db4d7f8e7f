"""Which images belong to which class, as flat arrays: what random images of classes are drawn from."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Members:
    """The images of K classes.

    Attributes:
        rows: (M,) images, those of a class beside each other, in list order.
        starts: (K + 1,) where each class begins among them.
    """

    rows: np.ndarray
    starts: np.ndarray

    @staticmethod
    def of(labels: np.ndarray, classes: int) -> "Members":
        """Members of classes 0 to `classes` - 1 by (N,) labels; negative ones are left out."""
        rows = np.argsort(labels, kind="stable")
        return Members(rows[int((labels < 0).sum()) :], _starts(labels[labels >= 0], classes))

    def __len__(self) -> int:
        """Classes."""
        return len(self.starts) - 1

    @cached_property
    def sizes(self) -> np.ndarray:
        """(K,) images of every class."""
        return np.diff(self.starts)

    @cached_property
    def labels(self) -> np.ndarray:
        """(M,) class number of every image in `rows`."""
        return np.asarray(np.repeat(np.arange(len(self)), self.sizes))

    def draw(self, chosen: np.ndarray, images: int, generator: np.random.Generator) -> np.ndarray:
        """(C, images) rows of images of the classes chosen, without repetition while a class has enough."""
        sizes = self.sizes[chosen]
        places = np.empty((len(chosen), images), np.int64)
        for column in range(images):
            places[:, column] = generator.integers(0, np.where(sizes > column, sizes - column, sizes))
            for earlier in range(column):  # a draw among those left, shifted past the ones taken
                taken = np.sort(places[:, :column], axis=1)[:, earlier]
                places[:, column] += (places[:, column] >= taken) & (sizes > column)
        return np.asarray(self.rows[self.starts[chosen][:, None] + places])

    def draw_again(self, chosen: np.ndarray, images: int, generator: np.random.Generator) -> np.ndarray:
        """(C, images) rows of images of the classes chosen, with repetition."""
        places = generator.integers(0, self.sizes[chosen][:, None], (len(chosen), images))
        return np.asarray(self.rows[self.starts[chosen][:, None] + places])


def _starts(labels: np.ndarray, classes: int) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.bincount(labels, minlength=classes))])
