"""The second stage of an evaluation: the shortlist of every query, looked at again."""

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch

from vprkit import device as devices
from vprkit.config import override
from vprkit.data.records import Records
from vprkit.errors import ConfigError, NotAvailable
from vprkit.features import Features, LocalFeatures
from vprkit.method import Method
from vprkit.rerank.reranker import Reranker, Ties, ready, rerank, told
from vprkit.retrieval.build import Built
from vprkit.retrieval.describe import Streaming, describe_paths
from vprkit.retrieval.forecast import kept_local_bytes, local_bytes
from vprkit.retrieval.local_codec import Encoded, LocalCodec, LocalDtype
from vprkit.retrieval.recent import Recent
from vprkit.timing import Stopwatch, Timings

Source = Literal["store", "ram", "recompute"]


@dataclass(frozen=True)
class Second:
    """How shortlists are looked at again.

    Attributes:
        count: candidates of each query; at most the database.
        source: where candidates' local features come from: `store` (on disk, memory-mapped), `ram`, or `recompute`
            (described again: no space, much time).
        dtype: how they are kept; recomputing passes through the same rounding, so all three agree.
        reranker: what compares; none: the method's own second stage.
        ties: who is first of equal scores: first_stage, or reversed as published programs get it that sort upwards.
        cache_gigabytes: memory for the latest that were described again (recompute), so that candidates which queries
            share are described once.
    """

    count: int
    source: Source = "store"
    dtype: LocalDtype = "float16"
    reranker: Reranker | None = None
    ties: Ties = "first_stage"
    cache_gigabytes: float = 1.0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"rerank must be at least 1 candidate, got {self.count}")
        if self.source not in ("store", "ram", "recompute"):
            raise ConfigError(f"local features come from store, ram or recompute, not '{self.source}'")
        if self.ties not in get_args(Ties):
            raise ConfigError(f"ties are broken by {' or '.join(get_args(Ties))}, not '{self.ties}'")
        if self.cache_gigabytes < 0:
            raise ConfigError(f"cache_gigabytes must be at least 0, got {self.cache_gigabytes}")
        LocalCodec(self.dtype)

    @property
    def codec(self) -> LocalCodec:
        return LocalCodec(self.dtype)

    @property
    def kept(self) -> LocalCodec | None:
        """The codec of what describing keeps; None where nothing is."""
        return None if self.source == "recompute" else self.codec

    def of(self, method: Method) -> Reranker:
        """What compares.

        Raises:
            NotAvailable: the method has no second stage, and none was given.
        """
        found: Reranker | None = self.reranker or method.reranker
        if found is None:
            raise NotAvailable(f"method '{method.name}' has no second stage; leave rerank out")
        return found

    def changed(self, method: Method, settings: Sequence[str]) -> "Second":
        """The same with `key=value` settings of what compares.

        Raises:
            NotAvailable: the method has no second stage.
            ConfigError: it has no such setting.
        """
        if not settings:
            return self
        own: Any = self.of(method)
        if not dataclasses.is_dataclass(own):
            raise ConfigError(f"the second stage of '{method.name}' has no settings")
        reranker: Any = override(own, settings)
        return dataclasses.replace(self, reranker=reranker)

    def told(self, method: Method) -> dict[str, Any]:
        """What a result says about it."""
        kept = {"count": self.count, "source": self.source, "dtype": self.dtype, "ties": self.ties}
        return {**kept, **told(self.of(method))}


Take = Callable[[np.ndarray], LocalFeatures]
"""Local features of records by their numbers, on the CPU."""


def forecast(second: Second, method: Method, images: int) -> int | None:
    """Bytes that the local features of so many images take; None where the method leaves images at their own size."""
    if second.kept is None:
        return 0
    each = local_bytes(method, second.kept)
    return None if each is None else images * each


def check_space(second: Second, method: Method, images: int, features: Path | None) -> str | None:
    """A sentence that says what the local features of so many images will take; None where they take nothing, or where
    images of their own size leave it open.

    Args:
        second: as what they are kept, and where.
        method: whose.
        images: how many.
        features: the folder that they lie in; None: the system's temporary one.

    Raises:
        NotAvailable: the method has no second stage.
        ConfigError: the disk, or for `ram` the memory, has not that much.
    """
    second.of(method)
    needed = forecast(second, method, images)
    if not needed:
        return None
    memory = devices.free_memory()
    if second.source == "ram" and memory is not None and needed > memory:
        raise ConfigError(
            f"local features of {images} images as {second.dtype} take {needed / 1e9:.1f} GB of memory, "
            f"{memory / 1e9:.1f} GB are free; keep them in the store (local: store), as a smaller dtype (int8), or "
            "describe them again (recompute)"
        )
    folder = features if features is not None else Path(tempfile.gettempdir())
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise ConfigError(
            f"{folder} has {free / 1e9:.1f} GB free, local features of {images} images as {second.dtype} take "
            f"{needed / 1e9:.1f} GB; choose another folder for features, a smaller local dtype (int8), or describe "
            "them again (local: recompute)"
        )
    also = ", and as much memory" if second.source == "ram" else ""
    return f"local features of {images} images as {second.dtype}: {needed / 1e9:.2f} GB in {folder}{also}"


def kept_bytes(second: Second, built: Built) -> float:
    """Bytes of local features that are kept per image, on average; 0 where they are described again."""
    if second.kept is None or not len(built.store):
        return 0.0
    return kept_local_bytes(built.store)


def local_source(
    second: Second, built: Built, method: Method, records: Records, streaming: Streaming | None, timings: Timings
) -> Take:
    """Where the local features of described records come from.

    Recomputing adds `rerank_decode` and `rerank_describe` (per image) to the timings.
    """
    if second.source == "recompute":
        return Recomputed(second, method, records, streaming, timings)
    stored = built.store.local
    if second.source == "store":
        return lambda numbers: stored.take(built.rows[numbers])
    held = {int(number): _copied(stored.encoded(int(row))) for number, row in enumerate(built.rows) if row >= 0}
    return lambda numbers: second.codec.decode([held[int(number)] for number in numbers])


def rerank_all(
    method: Method, second: Second, queries: np.ndarray, query_vectors: np.ndarray, ranked: np.ndarray,
    of_queries: Take, of_database: Take, timings: Timings, progress: Callable[[int], None] | None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """(numbers, scores) of (Q, N) rankings whose first `second.count` are looked at again; -1 pads stay.

    Args:
        method: whose second stage.
        second: how many, and from where.
        queries: (A,) numbers of the queries that could be read.
        query_vectors: (A, D) of these.
        ranked: (Q, N) database numbers, best first, of all queries.
        of_queries, of_database: local features by number.
        timings: receives per query `rerank`, and of it `rerank_read` (local features to the device: read, or described
            again) and `rerank_match` (the rest: comparing and ordering).
        progress: called with the queries done since the last call.
    """
    reranker, device = ready(second.of(method), method), method.device
    numbers, scores = np.full_like(ranked, -1), np.full(ranked.shape, -np.inf)
    row_bytes: int | None = None

    reading = Stopwatch()

    def on_device(vectors: torch.Tensor, source: Take, wanted: np.ndarray) -> Features:
        devices.synchronize(device)  # what is queued is matching, not reading
        with reading.running():
            features = Features(vectors, source(wanted)).map(lambda tensor: tensor.to(device))
            devices.synchronize(device)
        return features

    def candidates(wanted: np.ndarray) -> Features:
        return on_device(torch.empty(len(wanted), 0), of_database, wanted)

    for place, query in enumerate(queries):
        row = ranked[query][ranked[query] >= 0]
        if row_bytes is None and len(row):
            row_bytes = 4 * int(np.prod(of_database(row[:1]).tokens.shape))
        whole, reading.seconds = Stopwatch(), 0.0
        with whole.running():
            vector = torch.from_numpy(np.array(query_vectors[place : place + 1], np.float32))
            features = on_device(vector, of_queries, np.array([query]))
            # Its scores are numbers in this process, so the device has finished.
            found = rerank(reranker, features, row, second.count, candidates, row_bytes or 1, second.ties)
        timings.add("rerank", whole.seconds)
        timings.add("rerank_read", reading.seconds)
        timings.add("rerank_match", whole.seconds - reading.seconds)
        numbers[query, : len(row)], scores[query, : len(row)] = found
        if progress is not None:
            progress(1)
    return numbers, scores


class Recomputed:
    """Local features that are described when they are asked for, but for the latest ones.

    Args:
        second: as what they are kept, and how much may be.
        method: what describes.
        records: whose images.
        streaming: how they are read.
        timings: receives `rerank_decode` and `rerank_describe` per image that was described.
    """

    def __init__(
        self, second: Second, method: Method, records: Records, streaming: Streaming | None, timings: Timings
    ) -> None:
        self.codec, self.method, self.records = second.codec, method, records
        # What was left out when all was described is asked for by nobody; what has gone since then is an error.
        self.streaming = None if streaming is None else dataclasses.replace(streaming, on_error="fail")
        self.timings = timings
        self.recent: Recent[Encoded] = Recent(int(second.cache_gigabytes * 1e9))

    def __call__(self, numbers: np.ndarray) -> LocalFeatures:
        asked = [int(number) for number in numbers]
        found = {number: self.recent.get(number) for number in asked}
        missing = [number for number, row in found.items() if row is None]
        for number, made in zip(missing, self._described(missing), strict=True):
            found[number] = made
            self.recent.keep(number, made, made.nbytes)
        return self.codec.decode([row for number in asked if (row := found[number]) is not None])

    def _described(self, numbers: list[int]) -> list[Encoded]:
        rows: list[Encoded] = []
        clock = Timings()
        paths = [self.records.path(number) for number in numbers]
        for part in describe_paths(self.method, paths, self.streaming, timings=clock) if paths else ():
            if part.features.local is None:
                raise NotAvailable(f"method '{self.method.name}' has no local features")
            rows += self.codec.encode(part.features.local)
        self.timings.take_in(clock, "rerank_")
        return rows


def _copied(encoded: Encoded) -> Encoded:
    return Encoded(np.array(encoded.tokens), np.array(encoded.scale), np.array(encoded.saliency), encoded.grid)
