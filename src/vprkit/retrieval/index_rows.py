"""The vectors that are searched: a store's own, or made of what it keeps side by side."""

import numpy as np

from vprkit.method import Method, Role
from vprkit.retrieval.store import FeatureStore

BLOCK = 8192
"""Rows at once."""


def index_rows(method: Method, store: FeatureStore, role: Role = "database") -> np.ndarray:
    """(N, E) float32 vectors: on disk where the store keeps global vectors alone, else made and held in memory.

    Args:
        method: made the store.
        store: of at least one row.
        role: of its records.
    """
    if not store.beside:
        return store.vectors
    blocks = [slice(start, start + BLOCK) for start in range(0, len(store), BLOCK)]
    return np.concatenate([method.index_vectors(store.features(rows), role).numpy() for rows in blocks])
