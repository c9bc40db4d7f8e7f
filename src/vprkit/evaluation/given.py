"""Somebody's own vectors and rankings: what is refused."""

from typing import Any

import numpy as np

from vprkit.errors import DataError


def as_array(given: Any, what: str, hint: str) -> np.ndarray:
    """What was given as an array.

    Args:
        given: an array, or anything that NumPy makes one of.
        what: it is, in words.
        hint: what to do where its rows are of several lengths.

    Raises:
        DataError: they are, or something in it is no number.
    """
    try:
        array = np.asarray(given)
    except (ValueError, TypeError) as error:  # NumPy's word for rows of several lengths, and a tensor on a GPU
        ragged = isinstance(error, ValueError)
        why = f"rows of different lengths; {hint}" if ragged else f"what NumPy makes no array of ({error})"
        raise DataError(f"{what} hold {why}") from error
    if array.dtype == object and array.ndim == 1:  # an array of rows: ragged, and NumPy was asked to bear it
        raise DataError(f"{what} hold rows of different lengths; {hint}")
    if array.dtype.kind not in "biuf":
        raise DataError(f"{what} must be numbers, got {array.dtype} {array.shape}")
    return array


def check_rows(rankings: np.ndarray) -> None:
    """Refuse -1 before the end of a row, and a number that stands twice in one."""
    padded = rankings < 0
    inside = np.flatnonzero((padded[:, :-1] & ~padded[:, 1:]).any(1))
    if inside.size:
        raise DataError(f"the ranking of query {inside[0]} has -1 before its end; -1 may only fill up a row")
    ordered = np.sort(rankings, 1)
    twice = np.flatnonzero(((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(1))
    if twice.size:
        raise DataError(f"the ranking of query {twice[0]} names a database image twice")
