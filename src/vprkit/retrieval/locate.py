"""Answering with a map: describe photos as they come, search, and turn rows into hits and positions."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from vprkit.data.decoding import Photo
from vprkit.errors import ConfigError, VprError
from vprkit.features import Features
from vprkit.method import IMAGES, TEXTS, Method
from vprkit.registry import Metric
from vprkit.retrieval.confidence import Confidence
from vprkit.retrieval.describe import Streaming, describe_paths
from vprkit.retrieval.index import Neighbours
from vprkit.retrieval.location import Hit, Location, distinct_rows, estimate_position
from vprkit.retrieval.second_look import SecondLook
from vprkit.retrieval.store import FeatureStore

ESTIMATE_FROM = 10
"""Hits that the position is estimated from."""

Search = Callable[[np.ndarray, int], Neighbours]


class Finder:
    """Locates photos in a map.

    Args:
        method: describes the photos.
        search: `(vectors, k) -> Neighbours` over the rows that may answer.
        store: what the rows are.
        size: rows that may answer.
        top: hits wanted per photo.
        distinct_metres: least distance between hits, or None.
        second: looks at the best rows again, or None; hits then come from these alone, with its scores.
        metric: of the scores; None: the method's.
        confidence: a calibration that fits these answers; None: they have no confidence.

    Raises:
        ConfigError: `top` or `distinct_metres` makes no sense.
        VprError: there are no rows that may answer.
    """

    def __init__(
        self,
        method: Method,
        search: Search,
        store: FeatureStore,
        size: int,
        top: int = 5,
        distinct_metres: float | None = None,
        second: SecondLook | None = None,
        metric: Metric | None = None,
        confidence: Confidence | None = None,
    ) -> None:
        if top < 1:
            raise ConfigError(f"top must be at least 1, got {top}")
        if distinct_metres is not None and not distinct_metres >= 0:
            raise ConfigError(f"distinct must be metres, got {distinct_metres}")
        if not size:
            raise VprError(f"{store.folder.parent} holds no images; add some with `vpr map add`")
        self.method, self.search, self.store, self.size = method, search, store, size
        self.top, self.distinct_metres, self.second = top, distinct_metres, second
        self.metric: Metric = metric or method.metric
        self.confidence = confidence

    def locate(
        self,
        photos: Sequence[Photo],
        streaming: Streaming,
        progress: Callable[[int, int], None] | None = None,
        texts: Sequence[str] | None = None,
    ) -> list[Location]:
        """One location per photo, in order. Files are decoded and described in a stream, whatever their number.

        Args:
            photos: the photos.
            streaming, progress: as of `describe_paths`.
            texts: one of each photo, for a method that joins both; without them photos answer alone.

        Raises:
            ConfigError: the method joins no texts with photos.
        """
        both = self.method.reads("query") == IMAGES | TEXTS
        if texts is not None and not both:
            raise ConfigError(f"method '{self.method.name}' does not join a text with a photo; leave the text out, or "
                              "build the map with lavpr-fusion")  # fmt: skip
        if both:
            texts = texts or [""] * len(photos)
        answers: list[Location] = []
        for described in self._described(photos, streaming, texts):
            answers += described
            if progress is not None:
                progress(len(answers), len(photos))
        return answers

    def of_vectors(self, names: Sequence[str], vectors: np.ndarray) -> list[Location]:
        """One location per query vector, by the first stage alone."""
        found = self.search(vectors, self._wide)
        answers = [
            self._answer(name, vectors[i : i + 1], found.numbers[i], found.scores[i]) for i, name in enumerate(names)
        ]
        return self._sure(answers, found.numbers, found.scores)

    @property
    def _wide(self) -> int:
        """Rows to look at: enough for the hits and for the position."""
        return max(self.top, ESTIMATE_FROM) if self.distinct_metres is None else max(16 * self.top, 100)

    def _described(
        self, photos: Sequence[Photo], streaming: Streaming, texts: Sequence[str] | None
    ) -> Iterator[list[Location]]:
        paths = [Path(photo) for photo in photos if isinstance(photo, (str, Path))]
        if len(paths) < len(photos):
            for number, photo in enumerate(photos):
                name = str(photo) if isinstance(photo, (str, Path)) else f"image {number}"
                own = None if texts is None else [texts[number]]
                yield self.of_features([name], self.method.describe([photo], texts=own).cpu())
            return
        reads = IMAGES if texts is None else IMAGES | TEXTS
        for block in describe_paths(self.method, paths, streaming, texts=texts, reads=reads):
            answers = {row: Location(str(paths[row]), (), None, why) for row, why in block.skipped}
            if block.rows:
                names = [str(paths[row]) for row in block.rows]
                answers |= dict(zip(block.rows, self.of_features(names, block.features), strict=True))
            yield [answers[row] for row in sorted(answers)]

    def of_features(self, names: Sequence[str], features: Features) -> list[Location]:
        """One location per described query, by both stages.

        Args:
            names: what the locations call them.
            features: of the queries, on the CPU.
        """
        vectors = self.method.index_vectors(features, "query").cpu().numpy()
        if self.second is None:
            return self.of_vectors(names, vectors)
        found = self.search(vectors, max(self.second.count, self.top))
        return [self._again(name, features[[i]], found.numbers[i], found.scores[i]) for i, name in enumerate(names)]

    def _answer(self, name: str, vector: np.ndarray, rows: np.ndarray, scores: np.ndarray) -> Location:
        near = self._hits(rows[:ESTIMATE_FROM], scores[:ESTIMATE_FROM])
        estimate = estimate_position(near, self.metric)
        if self.distinct_metres is None:
            hits = near if self.top <= len(near) else self._hits(rows, scores)
            return Location(name, tuple(hits[: self.top]), estimate, looked_at=len(near))
        chosen = self._distinct(rows)
        while len(chosen) < self.top and len(rows) < self.size:
            more = self.search(vector, 8 * len(rows))
            rows, scores = more.numbers[0], more.scores[0]
            chosen = self._distinct(rows)
        return Location(name, tuple(self._hits(rows[chosen], scores[chosen])), estimate, looked_at=len(near))

    def _again(self, name: str, query: Features, rows: np.ndarray, scores: np.ndarray) -> Location:
        """The second stage's order; the position is still weighted by how alike the vectors are."""
        assert self.second is not None
        found = self.second.order(query, rows)
        alike = dict(zip(rows.tolist(), scores.tolist(), strict=True))
        near = found.numbers[:ESTIMATE_FROM]
        estimate = estimate_position(self._hits(near, np.array([alike[int(row)] for row in near])), self.metric)
        chosen = np.arange(len(found.numbers)) if self.distinct_metres is None else self._distinct(found.numbers)
        chosen = chosen[: self.top]
        hits = tuple(self._hits(found.numbers[chosen], found.scores[chosen]))
        location = Location(name, hits, estimate, looked_at=len(near))
        return self._sure([location], found.numbers[None], found.scores[None])[0]

    def _sure(self, locations: Sequence[Location], rows: np.ndarray, scores: np.ndarray) -> list[Location]:
        """The locations with how sure they are by the first of (Q, N) rows and scores, whatever is shown of them."""
        depth = self.confidence.depth if self.confidence is not None else 0
        if self.confidence is None or rows.shape[1] < depth:
            return list(locations)
        hits = self.store.records(rows[:, :depth].reshape(-1))
        sure = self.confidence.of_hits(scores[:, :depth].astype(np.float64), hits)
        return [
            location if math.isnan(value) else dataclasses.replace(location, confidence=float(value))
            for location, value in zip(locations, sure, strict=True)
        ]

    def _distinct(self, rows: np.ndarray) -> np.ndarray:
        assert self.distinct_metres is not None
        return distinct_rows(self.store.records(rows), self.distinct_metres, self.top)

    def _hits(self, rows: np.ndarray, scores: np.ndarray) -> list[Hit]:
        records = self.store.records(rows).with_latlon()
        return [
            Hit(rank, self.store.names[int(row)], self.store.path(int(row)), float(score), record.latitude,
                record.longitude, record.east, record.north, record.zone, record.south, record.heading, int(row),
                record.text)
            for rank, (row, score, record) in enumerate(zip(rows, scores, records, strict=True), 1)
        ]  # fmt: skip
