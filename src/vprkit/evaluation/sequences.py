"""Sequences described by their images: one vector per sequence from the vectors of its frames.

Mapillary SLS defines which frames make a sequence and when an answer is right, not how a sequence is described. Each
frame's vector is brought to length 1 first and the sequence's vector afterwards, so that all frames count alike and
inner product and L2 rank alike:

- `mean`: the mean of the frames' vectors (default; fits sequences of different lengths, as in seq2im).
- `max`: the largest value of each number.
- `concat`: one after the other in the order of the drive, for sequences of one length on both sides.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np

from vprkit.config import nearest
from vprkit.data.sequences import Frames, Sequenced
from vprkit.errors import ConfigError

SequenceMode = Literal["mean", "max", "concat"]


def sequence_vectors(vectors: np.ndarray, rows: np.ndarray, how: SequenceMode = "mean") -> np.ndarray:
    """(S, D) float32 unit vectors of sequences, (S, L * D) for `concat`.

    Args:
        vectors: (N, D) of the images.
        rows: (S, L) numbers of each sequence's images.
        how: see the module's text.

    Raises:
        ConfigError: an unknown way.
    """
    if how not in _JOINED:
        raise ConfigError(f"sequences as '{how}' are unknown{nearest(how, _JOINED)}; use {', '.join(_JOINED)}")
    return _unit(_JOINED[how](vectors, rows))


def check_mode(frames: Sequenced, how: SequenceMode) -> None:
    """Refuse a way that is unknown, or that does not fit the lengths of both sides, before anything is described."""
    sequence_vectors(np.zeros((1, 1)), np.zeros((0, 1), np.int64), how)
    if how == "concat" and frames.database.length != frames.queries.length:
        raise ConfigError(f"sequences as 'concat' need one length on both sides, here are {frames.words()}; use mean")


def described(
    frames: Frames, vectors: np.ndarray, kept: np.ndarray, how: SequenceMode
) -> tuple[np.ndarray, np.ndarray]:
    """(vectors, their numbers) of the sequences all of whose frames were described.

    Args:
        frames: S sequences of N images.
        vectors: (M, D) of the images that could be read.
        kept: (M,) their numbers among the N.
        how: see the module's text.
    """
    place = np.full(len(frames.records), -1)
    place[kept] = np.arange(len(kept))
    rows = place[frames.rows]
    whole = np.flatnonzero((rows >= 0).all(1))
    return sequence_vectors(vectors, rows[whole], how), whole


def _mean(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    total = _unit(vectors[rows[:, 0]])
    for place in range(1, rows.shape[1]):
        total += _unit(vectors[rows[:, place]])
    total /= rows.shape[1]
    return total


def _max(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    largest = _unit(vectors[rows[:, 0]])
    for place in range(1, rows.shape[1]):
        np.maximum(largest, _unit(vectors[rows[:, place]]), out=largest)
    return largest


def _concat(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.concatenate([_unit(vectors[rows[:, place]]) for place in range(rows.shape[1])], 1)


_JOINED: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {"mean": _mean, "max": _max, "concat": _concat}


def _unit(vectors: np.ndarray) -> np.ndarray:
    """A copy with rows of length 1; rows of zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)
