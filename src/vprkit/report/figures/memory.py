"""What a memory added to training: counts of negatives over time, and how old, similar and heavy they were."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vprkit.errors import DataError
from vprkit.report.figures.canvas import BATCH, MEMORY, new_figure, open_frame
from vprkit.training.negatives import Negatives, read_negatives

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Records = Mapping[int, Negatives]
"""By optimiser step, as `vprkit.training.negatives.read_negatives` gives them."""

BARS = 80
"""At most so many bars: of more records, neighbours are averaged."""

RARE = 0.001
"""Bins with a smaller share of the pairs do not widen the axis of similarities."""


def records_of(run: str | Path) -> Records:
    """The records of a run's folder.

    Raises:
        DataError: there is no log, it cannot be read, or it holds no records.
    """
    found = read_negatives(run)
    if not found:
        raise DataError(
            f"{run} holds no records of negatives; train with memory.size above 0 and memory.record_every=10"
        )
    return found


def negatives(records: Records) -> "Figure":
    """Counts over the run above, ages, similarities and weights below.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    figure = new_figure(9.0, 5.6)
    grid = figure.add_gridspec(2, 3, height_ratios=[1.1, 1.0])
    _counts(figure.add_subplot(grid[0, :]), records)
    _statistics([figure.add_subplot(grid[1, place]) for place in range(3)], records)
    return figure


def negative_counts(records: Records) -> "Figure":
    """Stacked bars over the run: negative pairs within the batch, and what the memory adds.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    figure = new_figure(9.0, 3.0)
    _counts(figure.subplots(), records)
    return figure


def negative_statistics(records: Records) -> "Figure":
    """Ages, cosine similarities and weights of negative pairs, over all records together.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    figure = new_figure(9.0, 2.8)
    _statistics(figure.subplots(1, 3), records)
    return figure


def by_age(records: Records) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(A,) ages of remembered negatives, ascending; (A,) pairs of each age; (A,) what one counts in the loss."""
    pairs: dict[int, int] = {}
    weighed: dict[int, float] = {}
    for record in records.values():
        for age, count, weight in zip(record.ages, record.counts, record.weights, strict=True):
            if age:  # what is of the batch itself has age 0
                pairs[age] = pairs.get(age, 0) + count
                weighed[age] = weighed.get(age, 0.0) + count * weight
    ages = np.array(sorted(pairs), np.int64)
    counts = np.array([pairs[int(age)] for age in ages], np.int64)
    return ages, counts, np.array([weighed[int(age)] for age in ages]) / np.maximum(counts, 1)


def _counts(axes: Any, records: Records) -> None:
    steps, batch, memory = _thinned(records)
    width = 0.8 * float(np.median(np.diff(steps))) if len(steps) > 1 else 0.8
    axes.bar(steps, batch, width, color=BATCH, label="within the batch")
    axes.bar(steps, memory, width, bottom=batch, color=MEMORY, label="from the memory")
    axes.margins(x=0.01)
    open_frame(axes, "optimiser step", "negative pairs in a batch")
    axes.legend(fontsize=8, frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))


def _thinned(records: Records) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean steps and mean counts of at most `BARS` stretches of equally many records; the last may be shorter."""
    steps = np.array(sorted(records))
    parts = np.split(steps, range(0, len(steps), math.ceil(len(steps) / BARS))[1:])
    rows = [[(records[int(step)].batch, records[int(step)].memory) for step in part] for part in parts]
    means = np.array([np.mean(row, 0) for row in rows])
    return np.array([part.mean() for part in parts]), means[:, 0], means[:, 1]


def _statistics(axes: Sequence[Any], records: Records) -> None:
    ages, counts, weights = by_age(records)
    axes[0].bar(ages, counts / max(1, counts.sum()), 0.9, color=MEMORY)
    open_frame(axes[0], "age, batches", "share of remembered negatives")
    _similarities(axes[1], records)
    axes[2].plot(ages, weights, color=MEMORY, linewidth=1.8, marker="o", markersize=3)
    axes[2].set_ylim(0, 1.05)
    open_frame(axes[2], "age, batches", "what a negative counts")


def _similarities(axes: Any, records: Records) -> None:
    for name, colour, label in (
        ("histogram_batch", BATCH, "batch"),
        ("histogram_memory", MEMORY, "memory"),
    ):
        edges = np.array(next(iter(records.values())).edges)
        counts = np.sum([getattr(record, name) for record in records.values()], 0)
        axes.stairs(counts / max(1, counts.sum()), edges, color=colour, fill=True, alpha=0.45, label=label)
    _zoom(axes, records)
    open_frame(axes, "cosine similarity", "share of pairs")
    axes.legend(fontsize=8, frameon=False)


def _zoom(axes: Any, records: Records) -> None:
    """Show the cosines that occur, single pairs aside, with a bin of air at both ends."""
    record = next(iter(records.values()))
    counts = np.sum([np.add(one.histogram_batch, one.histogram_memory) for one in records.values()], 0)
    there = np.flatnonzero(counts > RARE * counts.sum())
    if len(there):
        last = len(record.edges) - 1
        axes.set_xlim(record.edges[max(0, there[0] - 1)], record.edges[min(last, there[-1] + 2)])
