"""Seconds per stage: what decode, describe and search cost, as median and 95th percentile."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np


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

    def summary(self) -> dict[str, dict[str, Any]]:
        """Per stage: items, total seconds, median and p95 milliseconds per item (weighted by items)."""
        return {stage: self._of(stage) for stage in self.seconds}

    def _of(self, stage: str) -> dict[str, Any]:
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
