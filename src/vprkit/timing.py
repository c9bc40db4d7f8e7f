"""Seconds per stage: what decode, describe, search and re-ranking cost, as median and 95th percentile."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

TOTAL = "total"

Row = dict[str, Any]
"""items, seconds, median_ms and p95_ms of a stage."""


@dataclass
class Timings:
    """Seconds per item and stage; an item is an image or a query. Adding is safe from worker threads."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    counts: dict[str, list[int]] = field(default_factory=dict)

    def add(self, stage: str, seconds: float, items: int = 1) -> None:
        """Record that `items` items together took `seconds`."""
        if items > 0:
            self.seconds.setdefault(stage, []).append(seconds / items)
            self.counts.setdefault(stage, []).append(items)

    @contextmanager
    def measure(self, stage: str, items: int = 1) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.add(stage, time.perf_counter() - start, items)

    def take_in(self, other: "Timings", prefix: str) -> None:
        """Add what another clock measured, its stages renamed."""
        for stage, each in other.seconds.items():
            for seconds, items in zip(each, other.counts[stage], strict=True):
                self.add(prefix + stage, seconds * items, items)

    def summary(self) -> dict[str, Row]:
        """Per stage: items, total seconds, median and p95 milliseconds per item (weighted by items)."""
        return {stage: self._of(stage) for stage in self.seconds}

    def _of(self, stage: str) -> Row:
        each, items = np.array(self.seconds[stage]), np.array(self.counts[stage])
        order = np.argsort(each)
        share = np.cumsum(items[order]) / items.sum()
        median, p95 = (float(each[order][np.searchsorted(share, level)]) for level in (0.5, 0.95))
        return {
            "items": int(items.sum()),
            "seconds": float((each * items).sum()),
            "median_ms": 1000 * median,
            "p95_ms": 1000 * p95,
        }


@dataclass
class Stopwatch:
    """Seconds of several stretches together."""

    seconds: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - start


def with_total(summary: Mapping[str, Row], stages: Sequence[str], items: int) -> dict[str, Row]:
    """The summary and, where all of these stages were measured, `total`: what one item costs that goes through them.

    Its median and p95 are sums of the stages' own, so the p95 is an upper one: stages are seldom slow together.
    """
    if not all(stage in summary for stage in stages):
        return dict(summary)
    rows = [summary[stage] for stage in stages]
    total = {
        "items": items,
        "seconds": items * sum(row["seconds"] / row["items"] for row in rows),
        **{key: sum(row[key] for row in rows) for key in ("median_ms", "p95_ms")},
    }
    return {**summary, TOTAL: total}
