"""From image rows to batches: decoding in threads, ahead of the network beside a GPU, in turns with it on a CPU."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vprkit.errors import ImageError
from vprkit.training.randomness import generator_for
from vprkit.training.settings import Running
from vprkit.training.task import Task

AHEAD = 3
"""Batches decoded ahead beside an accelerator."""

TRIES = 10
"""Images read in the place of one before it is given up."""


class Fed(NamedTuple):
    """A batch of an epoch.

    Attributes:
        number: its place in the epoch.
        batch: what the task collated, on the CPU.
        images: images that this rank read for it, or rows where a task reads none.
    """

    number: int
    batch: Any
    images: int


class Feed:
    """Reads the batches of a task.

    Decoding threads beside a CPU that trains cost more than taking turns with it, as in describing; a GPU leaves the
    cores to them, so batches are decoded ahead and put into pinned memory.

    Args:
        task: what is read for.
        running: threads, how far ahead, what to do with unreadable images.
        device: where the network is.
        seed: of the recipe.
        rank, ranks: this process among those that train together.
    """

    def __init__(
        self, task: Task, running: Running, device: torch.device, seed: int, rank: int = 0, ranks: int = 1
    ) -> None:
        self.task = task
        self.skip = running.on_error == "skip"
        self.threads = running.workers or min(16, os.cpu_count() or 1)
        self.pinned = device.type not in ("cpu", "mps")
        self.ahead = (0 if device.type == "cpu" else AHEAD) if running.ahead is None else running.ahead
        self.seed, self.rank, self.ranks = seed, rank, ranks

    def batches(self, epoch: int, rows: Sequence[np.ndarray], start: int = 0) -> Iterator[Fed]:
        """The batches of an epoch from the `start`-th on; every image draws as if none had been left out.

        Raises:
            ImageError: an image cannot be read, and `on_error` is `fail`.
        """
        numbers = range(start, len(rows))
        with ThreadPoolExecutor(self.threads) as readers, ThreadPoolExecutor(1) as collator:
            waiting: deque[Future[Fed]] = deque()
            try:
                for number in numbers:
                    images = self._start(readers, epoch, number, rows[number])
                    waiting.append(collator.submit(self._collated, number, rows[number], images))
                    if len(waiting) > self.ahead:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                readers.shutdown(cancel_futures=True)
                collator.shutdown(cancel_futures=True)

    def _start(self, readers: ThreadPoolExecutor, epoch: int, number: int, rows: np.ndarray) -> list[Future[Any]]:
        if not self.task.reads_images:
            return []
        share = self._share(len(rows))
        mine, offset = rows[share].ravel(), share.start * int(np.prod(rows.shape[1:]))
        return [readers.submit(self._read, int(row), epoch, number, offset + place) for place, row in enumerate(mine)]

    def _read(self, row: int, epoch: int, number: int, position: int) -> Any:
        generator = generator_for(self.seed, epoch, number, position)
        wanted: int | None = row
        for _ in range(TRIES):
            if wanted is None:
                break
            try:
                return self.task.read(wanted, generator)
            except ImageError as error:
                if not self.skip:
                    raise
                self.task.broken[error.path or f"image {wanted}"] = str(error)
            wanted = self.task.replacement(wanted, generator)
        return None

    def _collated(self, number: int, rows: np.ndarray, images: list[Future[Any]]) -> Fed:
        read, mine = [image.result() for image in images], rows[self._share(len(rows))]
        batch = self.task.collate(mine, read)
        count = sum(image is not None for image in read) if self.task.reads_images else mine.size
        return Fed(number, _pinned(batch) if self.pinned else batch, count)

    def _share(self, items: int) -> slice:
        """This rank's items of a batch: contiguous, sizes differing by one at most."""
        return slice(items * self.rank // self.ranks, items * (self.rank + 1) // self.ranks)


def _pinned(batch: Any) -> Any:
    return type(batch)(*(part.pin_memory() if isinstance(part, Tensor) else part for part in batch))
