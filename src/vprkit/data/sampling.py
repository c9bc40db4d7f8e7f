"""Which images make a batch: P places of K images, drawn anew every epoch, the same for the same seed and epoch."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vprkit.config import option
from vprkit.data.places import Places
from vprkit.errors import ConfigError


@dataclass(frozen=True)
class PlaceSampling:
    """How batches of places are drawn (GSV-Cities recipes: MixVPR, ConvAP, RerankVPR, LaVPR)."""

    places: int = option(120, "places per batch (P)")
    images: int = option(4, "images per place (K), drawn without replacement")
    within_groups: bool = option(True, "keep batches inside a city, so that negatives are hard; else mix all cities")
    reshuffle: bool = option(
        True, "another order of the places every epoch; false: that of the first one, as Pair-VPR's program has it"
    )
    newest: bool = option(False, "take the K newest images instead of drawing")
    drop_last: bool = option(False, "drop a last batch with fewer places")
    seed: int = option(0, "another seed, other draws")

    def __post_init__(self) -> None:
        if self.places < 1 or self.images < 1:
            raise ConfigError(f"a batch needs at least one place and one image, got {self.places} x {self.images}")


class PlaceSampler:
    """Batches of image rows.

    Draws depend on the seed, the epoch and the images alone: a run that resumes at any batch of an epoch sees what an
    uninterrupted one would have seen.

    Args:
        places: the training set.
        sampling: how batches are drawn.

    Raises:
        ConfigError: a place has fewer images than a batch wants of it.
    """

    def __init__(self, places: Places, sampling: PlaceSampling) -> None:
        self._labels, counts = np.unique(places.labels, return_counts=True)
        if not counts.size:
            raise ConfigError(f"{places.name} has no images")
        if counts.min(initial=sampling.images) < sampling.images:
            raise ConfigError(
                f"{places.name} has places of {counts.min()} images, batches want {sampling.images}; "
                f"open it with min_images={sampling.images}"
            )
        self.places = places
        self.sampling = sampling

    def __len__(self) -> int:
        """Batches per epoch."""
        count, size = len(self._labels), self.sampling.places
        return count // size if self.sampling.drop_last else -(-count // size)

    def epoch(self, number: int) -> Iterator[np.ndarray]:
        """(P', K) image rows per batch of this epoch, P' = P but for a last, smaller batch."""
        chosen = self._choose(number)
        order = self._order(number if self.sampling.reshuffle else 0)
        for start in range(0, len(self) * self.sampling.places, self.sampling.places):
            yield chosen[order[start : start + self.sampling.places]]

    def _choose(self, epoch: int) -> np.ndarray:
        """(places, K) rows: the K images of every place, places by ascending label."""
        keys = (
            -self.places.recency if self.sampling.newest else self._generator(epoch, 0).random(len(self.places.labels))
        )
        rows = np.lexsort((keys, self.places.labels))
        labels = self.places.labels[rows]
        starts = np.flatnonzero(np.append(True, labels[1:] != labels[:-1]))
        return np.asarray(rows[starts[:, None] + np.arange(self.sampling.images)])

    def _order(self, epoch: int) -> np.ndarray:
        """Order of the places: the first appearance of each in shuffled rows, city by city or all together."""
        rows = self._generator(epoch, 1).permutation(len(self.places.labels))
        if self.sampling.within_groups:
            rows = rows[np.argsort(self.places.groups[rows], kind="stable")]
        codes = np.searchsorted(self._labels, self.places.labels[rows])
        _, first = np.unique(codes, return_index=True)
        return codes[np.sort(first)]

    def _generator(self, epoch: int, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.sampling.seed, epoch, purpose])
