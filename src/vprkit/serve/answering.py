"""One thread that owns the map: questions wait in a bounded queue and are answered in batches of a kind."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from vprkit.errors import VprError
from vprkit.retrieval.map import Map
from vprkit.serve.questions import Question
from vprkit.serve.refusals import Refusal
from vprkit.serve.settings import Limits

_log = logging.getLogger(__name__)

Latest = Callable[[], Map]
Told = Callable[[type[Question], int, float], None]
"""Hears of every batch: kind, questions, seconds."""


@dataclass(frozen=True)
class Answered:
    """An answer, and what it took.

    Attributes:
        answer: what the question's kind gives.
        waited: seconds in the queue.
        took: seconds that its batch took.
        batch: questions in it.
    """

    answer: Any
    waited: float
    took: float
    batch: int


@dataclass(frozen=True, eq=False)
class _Waiting:
    question: Question
    future: "Future[Answered]" = field(default_factory=Future)
    since: float = field(default_factory=time.perf_counter)


class Answering:
    """Answers questions about a map, a batch at a time.

    Args:
        latest: gives the map.
        limits: of the queue, the batch and the wait for others.
        told: hears of every batch.
    """

    def __init__(self, latest: Latest, limits: Limits, told: Told = lambda kind, count, seconds: None) -> None:
        self._latest, self._limits, self._told = latest, limits, told
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="answering", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """Questions that wait."""
        return len(self._queue)

    async def ask(self, question: Question) -> Answered:
        """The answer. Whoever stops waiting for it takes the question out of the queue.

        Raises:
            Refusal: too many wait already, or the service stops.
            VprError: the map has no answer.
        """
        waiting = _Waiting(question)
        with self._changed:
            if self._closed:
                raise Refusal.busy("the service is stopping")
            if len(self._queue) >= self._limits.queue:
                raise Refusal.busy(f"{len(self._queue)} questions wait already; ask again in a moment")
            self._queue.append(waiting)
            self._changed.notify()
        try:
            return await asyncio.wrap_future(waiting.future)
        finally:
            self._take_out(waiting)

    def close(self) -> None:
        """Answer nothing further; what waits is refused."""
        with self._changed:
            self._closed = True
            left = list(self._queue)
            self._queue.clear()
            self._changed.notify()
        for waiting in left:
            if waiting.future.set_running_or_notify_cancel():
                waiting.future.set_exception(Refusal.busy("the service is stopping"))

    def _take_out(self, waiting: _Waiting) -> None:
        with self._changed:
            if waiting in self._queue:
                self._queue.remove(waiting)

    def _work(self) -> None:
        while batch := self._next():
            self._answer([waiting for waiting in batch if waiting.future.set_running_or_notify_cancel()])

    def _next(self) -> list[_Waiting]:
        """The next batch of one kind, once it is full or has waited long enough; empty when the service stops."""
        with self._changed:
            while not self._queue:  # those that waited may have gone while others were awaited
                if self._closed:
                    return []
                self._changed.wait_for(lambda: self._closed or self._queue)
                self._changed.wait_for(
                    lambda: self._closed or len(self._queue) >= self._limits.batch, self._limits.wait_ms / 1000
                )
            kind = type(self._queue[0].question)
            chosen = [waiting for waiting in self._queue if type(waiting.question) is kind][: self._limits.batch]
            for waiting in chosen:
                self._queue.remove(waiting)
            return chosen

    def _answer(self, batch: Sequence[_Waiting]) -> None:
        """Answer a batch; where that fails, one by one, so that none fails for another."""
        if not batch:
            return
        kind, start = type(batch[0].question), time.perf_counter()
        try:
            answers = kind.answers(self._latest(), [waiting.question for waiting in batch])
        except Exception as error:
            self._fail(batch, error)
            return
        took = time.perf_counter() - start
        self._told(kind, len(batch), took)
        for waiting, answer in zip(batch, answers, strict=True):
            waiting.future.set_result(Answered(answer, start - waiting.since, took, len(batch)))

    def _fail(self, batch: Sequence[_Waiting], error: Exception) -> None:
        if len(batch) > 1:
            for waiting in batch:
                self._answer([waiting])
            return
        if not isinstance(error, VprError):
            _log.error("a question could not be answered", exc_info=error)
        batch[0].future.set_exception(error)
