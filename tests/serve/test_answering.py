"""The thread that owns the map: batches of a kind, a bounded queue, nothing for those who have gone."""

import asyncio
import threading
import time
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

import pytest

from vprkit.errors import DataError
from vprkit.serve.answering import Answering
from vprkit.serve.refusals import Refusal
from vprkit.serve.settings import Limits

LIMITS = Limits(queue=6, batch=4, wait_ms=20)


@dataclass(frozen=True, eq=False)
class Double:
    number: int
    photos: ClassVar[int] = 0
    batches: ClassVar[list[list[int]]] = []
    held: ClassVar[threading.Event] = threading.Event()
    taken: ClassVar[threading.Event] = threading.Event()

    @classmethod
    def answers(cls, place_map, questions):
        cls.taken.set()
        cls.held.wait(10)
        cls.batches.append([question.number for question in questions])
        if any(question.number < 0 for question in questions):
            raise DataError("negative")
        return [2 * question.number for question in questions]


class Other(Double):
    batches: ClassVar[list[list[int]]] = []


@pytest.fixture(autouse=True)
def fresh():
    Double.batches.clear()
    Other.batches.clear()
    Double.held.set()
    Double.taken.clear()
    yield
    Double.held.set()


def asked(work, limits=LIMITS, told=lambda kind, count, seconds: None):
    async def all_of_it():
        answering = Answering(lambda: None, limits, told)
        try:
            return await work(answering)
        finally:
            answering.close()

    return asyncio.run(asyncio.wait_for(all_of_it(), 20))


async def in_work():
    """Until a batch is being answered."""
    assert await asyncio.to_thread(Double.taken.wait, 10)


def test_questions_that_wait_are_answered_together():
    told = []

    async def work(answering):
        return await asyncio.gather(*(answering.ask(Double(number)) for number in range(6)))

    answers = asked(work, told=lambda kind, count, seconds: told.append((kind, count)))
    assert [one.answer for one in answers] == [0, 2, 4, 6, 8, 10]
    assert Double.batches == [[0, 1, 2, 3], [4, 5]] and told == [(Double, 4), (Double, 2)]
    assert [one.batch for one in answers] == [4, 4, 4, 4, 2, 2]
    assert all(one.waited >= 0 and one.took >= 0 for one in answers)


def test_one_question_does_not_wait_long():
    async def work(answering):
        start = time.perf_counter()
        await answering.ask(Double(1))
        return time.perf_counter() - start

    assert asked(work) < 2


def test_kinds_are_not_mixed():
    async def work(answering):
        kinds = (Double, Other, Double, Other)
        return await asyncio.gather(*(answering.ask(kind(number)) for number, kind in enumerate(kinds)))

    assert [one.answer for one in asked(work)] == [0, 2, 4, 6]
    assert Double.batches == [[0, 2]] and Other.batches == [[1, 3]]


def test_a_question_does_not_fail_for_another():
    async def work(answering):
        return await asyncio.gather(*(answering.ask(Double(n)) for n in (1, -1, 3)), return_exceptions=True)

    first, second, third = asked(work)
    assert (first.answer, third.answer) == (2, 6) and isinstance(second, DataError)
    assert Double.batches == [[1, -1, 3], [1], [-1], [3]]


def test_a_full_queue_refuses():
    async def work(answering):
        Double.held.clear()
        first = asyncio.create_task(answering.ask(Double(0)))
        await in_work()
        waiting = [asyncio.create_task(answering.ask(Double(number))) for number in range(1, 7)]
        await asyncio.sleep(0.05)
        assert len(answering) == 6
        with pytest.raises(Refusal, match="6 questions wait already") as refused:
            await answering.ask(Double(9))
        Double.held.set()
        await asyncio.gather(first, *waiting)
        return refused.value

    refusal = asked(work)
    assert refusal.status == 503 and refusal.headers["Retry-After"] == "1" and [*chain(*Double.batches)] == [*range(7)]


def test_who_has_gone_leaves_no_work():
    async def work(answering):
        Double.held.clear()
        first = asyncio.create_task(answering.ask(Double(0)))
        await in_work()
        waiting = [asyncio.create_task(answering.ask(Double(number))) for number in (1, 2, 3)]
        await asyncio.sleep(0.05)
        waiting[1].cancel()
        await asyncio.sleep(0.05)
        left = len(answering)
        Double.held.set()
        await asyncio.gather(first, waiting[0], waiting[2])
        return left

    assert asked(work) == 2
    assert [*chain(*Double.batches)] == [0, 1, 3]


def test_closing_refuses_what_waits():
    async def work(answering):
        Double.held.clear()
        first = asyncio.create_task(answering.ask(Double(0)))
        await in_work()
        second = asyncio.create_task(answering.ask(Double(1)))
        await asyncio.sleep(0.05)
        answering.close()
        Double.held.set()
        with pytest.raises(Refusal, match="stopping"):
            await second
        with pytest.raises(Refusal, match="stopping"):
            await answering.ask(Double(2))
        return (await first).answer

    assert asked(work) == 0 and Double.batches == [[0]]
