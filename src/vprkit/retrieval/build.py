"""From records to a store: describe what is not there yet, block by block."""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from vprkit.data.records import Records
from vprkit.errors import StoreError
from vprkit.files import exclusive
from vprkit.method import Method
from vprkit.retrieval.describe import BLOCK, Described, Streaming, describe_paths
from vprkit.retrieval.store import FeatureStore
from vprkit.timing import Timings

RECORD_BYTES = 300
"""About what a record takes beside its vector."""

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""


def describe_into(
    folder: str | Path,
    method: Method,
    records: Records,
    streaming: Streaming | None = None,
    *,
    timings: Timings | None = None,
    progress: Progress | None = None,
    block: int = BLOCK,
) -> FeatureStore:
    """Describe records into the store at `folder`, creating it where there is none; what it holds already is kept.

    A photo is described again only where its file size has changed. Killed at any moment, the same call goes on after
    the last committed block, and the store ends up the same.

    Raises:
        StoreError: the store holds features of another method, or is being written by somebody else.
        ImageError: an image cannot be read and `streaming.on_error` is `fail`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder / "lock"), ExitStack() as closing:
        store = FeatureStore.open(folder) if (folder / "manifest.json").exists() else None
        if store is not None:
            store.check_identity(method.identity())
        sizes = file_sizes(records)
        rows = np.arange(len(records)) if store is None else np.flatnonzero(rows_in(store, records, sizes) < 0)
        if progress is not None:
            progress(len(records) - len(rows), len(records))
        done = len(records) - len(rows)

        def count(images: int) -> None:
            nonlocal done
            done += images
            if progress is not None:
                progress(done, len(records))

        blocks = describe_paths(
            method, [records.path(int(row)) for row in rows], streaming, timings=timings, progress=count, block=block
        )
        closing.callback(blocks.close)  # type: ignore[attr-defined]
        for described in blocks:
            store = _commit(store, folder, method, records, rows, sizes, described)
        if store is None:
            raise StoreError(
                f"none of the {len(records)} images could be read, so there is nothing to store in {folder}"
            )
    return store


def file_sizes(records: Records) -> np.ndarray:
    """(N,) bytes of each image file, -1 where there is none."""

    def size(row: int) -> int:
        try:
            return records.path(row).stat().st_size
        except OSError:
            return -1

    return np.fromiter((size(row) for row in range(len(records))), np.int64, len(records))


def rows_in(store: FeatureStore, records: Records, sizes: np.ndarray) -> np.ndarray:
    """(N,) row of the store that describes each record as it is now, -1 where none does."""
    root = str(records.root.absolute())
    rows = np.fromiter((store.keys.get(f"{root}/{name}", -1) for name in records.names), np.int64, len(records))
    known = rows >= 0
    changed = np.zeros(len(records), bool)
    changed[known] = (store.file_sizes[rows[known]] != sizes[known]) & (sizes[known] >= 0)
    return np.where(changed, -1, rows)


def _check_room(folder: Path, images: int, dimension: int) -> None:
    """Refuse, after the first block has told the dimension, what the disk cannot hold."""
    needed = images * (4 * dimension + RECORD_BYTES)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StoreError(
            f"describing {images} images of {dimension} numbers needs about {needed / 1e9:.1f} GB in "
            f"{folder}, {free / 1e9:.1f} GB are free; free some, or choose another disk"
        )


def _commit(
    store: FeatureStore | None,
    folder: Path,
    method: Method,
    records: Records,
    rows: np.ndarray,
    sizes: np.ndarray,
    described: Described,
) -> FeatureStore | None:
    skipped = [(records.names[int(rows[row])], why) for row, why in described.skipped]
    if not described.rows:
        if store is not None and skipped:
            nothing = np.zeros(0, np.int64)
            store.append(records.take(nothing), np.zeros((0, store.dimension), np.float32), nothing, skipped)
        return store
    vectors = method.index_vectors(described.features).numpy()
    if store is None:
        _check_room(folder, len(rows), vectors.shape[1])
        weights = None if method.weights is None else {"path": method.weights.path, "sha256": method.weights.sha256}
        store = FeatureStore.create(
            folder,
            method.identity(),
            vectors.shape[1],
            weights=weights,
            precision=method.precision,
            device=method.device.type,
        )
    kept = rows[described.rows]
    store.append(records.take(kept), vectors, sizes[kept], skipped)
    return store
