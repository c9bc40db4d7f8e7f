"""From records to a store: describe what is not there yet, block by block."""

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vprkit.data.columns import StringColumn
from vprkit.data.decoding import read_file
from vprkit.data.records import Records
from vprkit.errors import ImageError, StoreError
from vprkit.features import Features
from vprkit.files import exclusive
from vprkit.method import Method, Role
from vprkit.retrieval.describe import BLOCK, Described, Streaming, describe_paths, whole_batches
from vprkit.retrieval.file_facts import FileFacts, file_facts
from vprkit.retrieval.forecast import Forecast, forecast
from vprkit.retrieval.local_codec import Encoded, LocalCodec
from vprkit.retrieval.store import FeatureStore
from vprkit.timing import Timings

LOCAL_BLOCK = 32
"""Images per block where local features are kept: a SelaVPR map is 1.9 MB as float32."""

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""


@dataclass(frozen=True)
class Built:
    """What describing records into a store came to.

    Attributes:
        store: as it is now.
        rows: (N,) row of the store for each record, -1 where its image could not be read.
        described: images that were new or had changed.
        copied: images whose vector was kept for a moved file or corrected metadata.
    """

    store: FeatureStore
    rows: np.ndarray
    described: int
    copied: int


def describe_into(
    folder: str | Path,
    method: Method,
    records: Records,
    streaming: Streaming | None = None,
    *,
    timings: Timings | None = None,
    progress: Progress | None = None,
    block: int | None = None,
    local: LocalCodec | None = None,
    role: Role = "database",
    facts: bool = True,
) -> Built:
    """Describe records into the store at `folder`, creating it where there is none; what it holds already is kept.

    A photo is described again where its content has changed (size and time of change are looked at first, then the
    content). A photo that was moved together with its folder, and one whose position or text was corrected, keep their
    vector. Killed at any moment, the same call goes on after the last committed block, and the store ends up the same.
    With `local`, local features are kept too, and blocks are smaller. For a method that reads texts, another text makes
    another record. `facts`: what else is known of images (positions, times, texts) is kept up to date; False where
    nobody will read it from the store.

    Raises:
        DataError: the method reads texts, and the records have none.
        StoreError: the store holds features of another method, is being written by somebody else, or will not fit.
        ImageError: an image cannot be read and `streaming.on_error` is `fail`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder / "lock"), ExitStack() as closing:
        store = FeatureStore.open(folder) if (folder / "manifest.json").exists() else None
        files = file_facts(records)
        known, copied = np.full(len(records), -1, np.int64), 0
        if store is not None:
            store.check_identity(method.identity())
            _check_local(store, local)
            known = unchanged_rows(store, records, files)
            if "text" in method.reads(role):
                known = _same_text(store, records, known)
            copied = _copy(store, records, files, known, facts)
        todo = np.flatnonzero(known < 0)
        if todo.size:
            forecast(len(todo), method, local, store).refuse_beyond(folder)
        writer = _Writer(folder, method, records, todo, files, store, local)
        texts = records.texts["text"].take(todo) if "text" in records.texts else None
        count = _counter(progress, len(records) - len(todo), len(records))
        blocks = describe_paths(method, [records.path(int(row)) for row in todo], streaming, timings=timings,
                                progress=count, block=block or _block(streaming or Streaming(), local),
                                texts=texts, reads=method.reads(role))  # fmt: skip
        closing.callback(blocks.close)  # type: ignore[attr-defined]
        for described in blocks:
            writer.commit(described)
        store = writer.finish()
    described_rows = writer.described
    read = np.zeros(len(records), bool)
    read[described_rows] = True
    rows = rows_of(store, records)
    return Built(store, np.where(read | (known >= 0), rows, -1), len(described_rows), copied)


def _block(streaming: Streaming, local: LocalCodec | None) -> int:
    """Images between two commits."""
    return whole_batches(BLOCK if local is None else LOCAL_BLOCK, streaming.batch_size)


def _same_text(store: FeatureStore, records: Records, known: np.ndarray) -> np.ndarray:
    """`known` without the rows that were described with another text."""
    held = np.flatnonzero(known >= 0)
    before, now = (found.texts.get("text", StringColumn.blank(len(held)))
                   for found in (store.records(known[held]), records.take(held)))  # fmt: skip
    other = [place for place, (old, new) in enumerate(zip(before, now, strict=True)) if old != new]
    kept = known.copy()
    kept[held[other]] = -1
    return kept


def _beside(features: Features) -> dict[str, np.ndarray]:
    """What goes beside the global vectors."""
    parts = {"text": features.text, "weight": features.weight}
    return {name: part.numpy() for name, part in parts.items() if part is not None}


def _check_local(store: FeatureStore, local: LocalCodec | None) -> None:
    """Refuse a store that does not keep the local features that are asked for."""
    kept = store.local_facts["dtype"] if store.local_facts else "none"
    if local is not None and kept != local.dtype:
        raise StoreError(
            f"{store.folder} keeps local features as {kept}, asked for is {local.dtype}; ask for the same, or choose "
            "another folder"
        )


def rows_of(store: FeatureStore, records: Records) -> np.ndarray:
    """(N,) last row of the store under each record's path, -1 where there is none."""
    return np.fromiter((store.keys.get(key, -1) for key in _keys(records)), np.int64, len(records))


def _keys(records: Records) -> Iterator[str]:
    """What stores know images by: their whole paths."""
    root = str(records.root.resolve()).rstrip("/")  # nothing of the root of all folders
    return (f"{root}/{name}" for name in records.names)


def unchanged_rows(store: FeatureStore, records: Records, files: FileFacts) -> np.ndarray:
    """(N,) row whose vector still describes each record's image, under its path or one it was moved from; else -1."""
    rows = rows_of(store, records)
    # Only a photo that is there can have been moved here; one that is nowhere must be named when it is read.
    missing = np.flatnonzero((rows < 0) & (files.size >= 0))
    if missing.size:
        rows[missing] = _moved(store, records, missing)
    for record in np.flatnonzero(rows >= 0):
        if not same_content(store, int(rows[record]), records, int(record), files):
            rows[record] = -1
    return rows


def _moved(store: FeatureStore, records: Records, missing: np.ndarray) -> np.ndarray:
    """(M,) for records the store does not know: a row of the same relative name whose own file is gone; else -1."""
    wanted = {records.names[int(row)] for row in missing}
    gone = {
        name: row
        for row, name in enumerate(store.names)
        if name in wanted and store.current[row] and not store.path(row).exists()
    }
    return np.fromiter((gone.get(records.names[int(row)], -1) for row in missing), np.int64, len(missing))


def same_content(store: FeatureStore, row: int, records: Records, record: int, files: FileFacts) -> bool:
    """Whether a record's file is what a row was described from: by size and time of change, else by its content."""
    if files.size[record] < 0:
        return True  # the photo is gone, what was described of it is not
    if store.files.size[row] != files.size[record]:
        return False
    if store.files.modified[row] == files.modified[record]:
        return True
    try:
        return zlib.crc32(read_file(records.path(record))) == int(store.files.checksum[row])
    except ImageError:
        return False


def _copy(store: FeatureStore, records: Records, files: FileFacts, known: np.ndarray, facts: bool) -> int:
    """Append new rows for known images whose file was moved or, with `facts`, whose record says something else now."""
    held = np.flatnonzero(known >= 0)
    if not held.size:
        return 0
    mine, same = records.take(held), rows_of(store, records.take(held)) == known[held]
    if facts:
        same &= mine.agrees_with(store.records(known[held])) & ~_read_again(store, mine, files.take(held))
    differing = held[~same]
    for start in range(0, len(differing), BLOCK):
        rows = differing[start : start + BLOCK]
        old = known[rows]
        of_files = FileFacts(files.size[rows], files.modified[rows], np.array(store.files.checksum[old]))
        local = [store.local.encoded(int(row)) for row in old] if store.local_facts else []
        kept = store.features(old)
        store.append(records.take(rows), kept.global_.numpy(), of_files, superseded=old.tolist(), local=local,
                     beside=_beside(kept))  # fmt: skip
    return len(differing)


def _read_again(store: FeatureStore, records: Records, files: FileFacts) -> np.ndarray:
    """(N,) images that are listed as unreadable, and are now again what was described: a new row strikes them off."""
    if not store.skipped:
        return np.zeros(len(records), bool)
    listed = np.fromiter((key in store.skipped for key in _keys(records)), bool, len(records))
    return np.asarray(listed & (files.size >= 0))


def _counter(progress: Progress | None, done: int, total: int) -> Callable[[int], None]:
    if progress is not None:
        progress(done, total)

    def count(images: int) -> None:
        nonlocal done
        done += images
        if progress is not None:
            progress(done, total)

    return count


class _Writer:
    """Commits described blocks, creating the store with the first."""

    def __init__(self, folder: Path, method: Method, records: Records, todo: np.ndarray, files: FileFacts,
                 store: FeatureStore | None, local: LocalCodec | None) -> None:  # fmt: skip
        self.folder, self.method, self.records, self.todo, self.files = folder, method, records, todo, files
        self.store, self.local = store, local
        # Once, before anything is appended: looking names up again for every block would cost the square of the images.
        self.replaced = np.full(len(records), -1, np.int64) if store is None else rows_of(store, records)
        self.listed = {} if store is None else store.skipped
        self.skipped: list[tuple[str, str]] = []
        self.described: list[int] = []
        self.root = str(records.root.resolve())

    def commit(self, block: Described) -> None:
        for position, why in block.skipped:
            name = self.records.names[int(self.todo[position])]
            if self.listed.get(f"{self.root}/{name}") != why:
                self.skipped.append((name, why))
        if not block.rows:
            return
        vectors, beside = block.features.global_.numpy(), _beside(block.features)
        encoded = self._encoded(block.features)
        store = self.store or self._create(vectors.shape[1], encoded, beside)
        rows = self.todo[block.rows]
        records = self.records.take(rows)
        old = self.replaced[rows]
        facts = FileFacts(self.files.size[rows], self.files.modified[rows], np.array(block.checksums, np.uint32))
        store.append(records, vectors, facts, skipped=self.skipped, superseded=old[old >= 0].tolist(), local=encoded,
                     beside=beside)  # fmt: skip
        self.skipped = []
        self.described += rows.tolist()

    def finish(self) -> FeatureStore:
        """The store, with images that could not be read since the last block listed."""
        if self.store is None:
            raise StoreError(
                f"none of the {len(self.records)} images could be read, so there is nothing to store in "
                f"{self.folder}: {self.skipped[0][1] if self.skipped else 'there are none'}"
            )
        if self.skipped:
            nothing = np.zeros(0, np.int64)
            empty = {name: np.zeros((0, width), np.float32) for name, width in self.store.beside.items()}
            self.store.append(self.records.take(nothing), np.zeros((0, self.store.dimension), np.float32),
                              self.files.take(nothing), skipped=self.skipped, beside=empty)  # fmt: skip
        return self.store

    def _encoded(self, features: Features) -> list[Encoded]:
        if self.local is None:
            return []
        if features.local is None:
            raise StoreError(f"method '{self.method.name}' has no local features to keep; leave re-ranking out")
        return self.local.encode(features.local)

    def _local_facts(self, first: Encoded) -> dict[str, Any]:
        assert self.local is not None
        return {"dtype": self.local.dtype, "channels": first.tokens.shape[1], "saliency": bool(len(first.saliency))}

    def _create(self, dimension: int, encoded: Sequence[Encoded], beside: Mapping[str, np.ndarray]) -> FeatureStore:
        each = max((row.nbytes for row in encoded), default=0)
        widths = {name: part.shape[1] for name, part in beside.items()}
        Forecast(len(self.todo), dimension + sum(widths.values()), each).refuse_beyond(self.folder)
        weights = self.method.weights
        self.store = FeatureStore.create(
            self.folder, self.method.identity(), dimension, precision=self.method.precision,
            device=self.method.device.type,
            weights=None if weights is None else {"path": weights.path, "sha256": weights.sha256},
            local=None if self.local is None else self._local_facts(encoded[0]), beside=widths,
        )  # fmt: skip
        return self.store
