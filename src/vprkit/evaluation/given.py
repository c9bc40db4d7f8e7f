"""Somebody's own rankings: what is refused."""

import numpy as np

from vprkit.errors import DataError


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
