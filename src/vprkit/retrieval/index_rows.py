"""The vectors that are searched: a store's own, or what a method that reads texts makes of all that it keeps."""

import tempfile
from pathlib import Path

import numpy as np

from vprkit.method import Method, Multimodal, Role, Weighing
from vprkit.retrieval.index import Rows
from vprkit.retrieval.store import FeatureStore
from vprkit.retrieval.weighted import WeightedRows

BLOCK = 8192
"""Rows at once."""


def index_rows(method: Method, store: FeatureStore, role: Role = "database") -> Rows:
    """(N, E) float32 vectors, memory-mapped: the store's files, or one made block by block that goes with the array.

    Args:
        method: made the store.
        store: of at least one row.
        role: of its records.
    """
    if not isinstance(method.network, Multimodal) or not len(store):
        return store.vectors
    if role == "database" and isinstance(method.network, Weighing) and method.network.weighs:
        beside = store.arrays_beside
        return WeightedRows(store.vectors, beside["text"], beside["weight"])
    width = 0
    with tempfile.TemporaryFile(dir=_writable(store.folder)) as file:
        for start in range(0, len(store), BLOCK):
            vectors = method.index_vectors(store.features(slice(start, start + BLOCK)), role).numpy()
            width = vectors.shape[1]
            file.write(np.ascontiguousarray(vectors, np.float32).tobytes())
        file.flush()
        return np.memmap(file, np.float32, "c", shape=(len(store), width))


def row_bytes(rows: Rows) -> int:
    """Bytes that one row takes where it is kept."""
    return rows.kept_bytes if isinstance(rows, WeightedRows) else rows.shape[1] * int(rows.dtype.itemsize)


def _writable(folder: Path) -> Path | None:
    """The store's own disk where a file can be made there; None: wherever temporary files go."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return None
