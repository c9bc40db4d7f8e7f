import time

import pytest

from vprkit.timing import Stopwatch, Timings, with_total


def test_median_and_p95_weigh_by_items():
    timings = Timings()
    timings.add("describe", 0.8, 8)  # 100 ms each
    timings.add("describe", 0.5, 1)
    timings.add("describe", 0.0, 0)  # nothing was described: nothing is counted
    row = timings.summary()["describe"]
    assert row["items"] == 9 and row["seconds"] == pytest.approx(1.3)
    assert row["median_ms"] == pytest.approx(100) and row["p95_ms"] == pytest.approx(500)


def test_another_clock_is_taken_in_under_other_names():
    inner, outer = Timings(), Timings()
    inner.add("decode", 0.4, 4)
    outer.add("decode", 0.2, 1)
    outer.take_in(inner, "rerank_")
    assert outer.seconds == {"decode": [0.2], "rerank_decode": [pytest.approx(0.1)]} and outer.counts[
        "rerank_decode"
    ] == [4]


def test_a_stopwatch_adds_up_what_runs(monkeypatch):
    clock = iter([0.0, 1.0, 10.0, 12.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    watch = Stopwatch()
    for _ in range(2):
        with watch.running():
            pass
    assert watch.seconds == 3


def test_the_total_is_one_items_way_through_all_stages():
    timings = Timings()
    for seconds in (0.1, 0.2, 0.9):
        timings.add("decode", seconds)
        timings.add("search", seconds / 10)
    found = with_total(timings.summary(), ("decode", "search"), 2)
    seconds, median, p95 = (pytest.approx(value) for value in (2 * 0.4 * 1.1, 220, 990))
    assert found["total"] == {"items": 2, "seconds": seconds, "median_ms": median, "p95_ms": p95}
    assert "total" not in with_total(timings.summary(), ("decode", "describe"), 2)  # never a part for the whole
