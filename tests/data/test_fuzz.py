"""Damaged inputs give a `DataError` or are read, and at once; `benchmarks/fuzz.py` does far more of them."""

import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.fuzzing import TARGETS
from vprkit.data.layouts.vprbench import _ordered
from vprkit.errors import DataError

SLOWEST = 2.0
"""Seconds that no input may take."""

INTERESTING = [
    b"\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"@",
    b",",
    b"\n",
    b'"',
    b"-1",
    b"nan",
    b"9" * 30,
    b"../",
    b"\xc3\x28",
]


@st.composite
def damaged(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A sound input with pieces changed, put in, taken out, or cut off."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 5))):
        place = draw(st.integers(0, len(data)))
        piece = draw(st.one_of(st.binary(max_size=6), st.sampled_from(INTERESTING)))
        gone = draw(st.sampled_from([0, len(piece), len(piece), 1, 40]))
        data[place : place + gone] = piece
    return bytes(data[: draw(st.integers(0, len(data)))]) if draw(st.integers(0, 9)) == 0 else bytes(data)


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch)


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_inputs_are_refused_with_a_sentence(name, folder):
    target = TARGETS[name]

    @settings(max_examples=350, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(damaged(target.seeds), damaged(target.seeds), st.binary(max_size=200)))
    def check(data: bytes) -> None:
        start = time.monotonic()
        try:
            target.read(data, folder)
        except DataError as error:
            assert str(error)
        assert time.monotonic() - start < SLOWEST

    check()


@pytest.mark.parametrize("name", TARGETS)
def test_sound_inputs_are_read(name, folder):
    for seed in TARGETS[name].seeds:
        try:
            TARGETS[name].read(seed, folder)
        except DataError as error:
            assert name in ("npy", "tables"), error  # one input is not sound for all readers of the target


@pytest.mark.parametrize("number", ["_reconstruct", float("nan"), float("inf"), 1.5, None])
def test_query_numbers_that_are_none_are_refused(number):
    """What 100,000 inputs of `benchmarks/fuzz.py` found: a pickle may hold anything where a number is expected."""
    with pytest.raises(DataError, match="lists.npy: calls a query"):
        _ordered([[number, [1]], [0, [1]]], 2, Path("lists.npy"))
    assert _ordered([[1.0, [3]], [0, [2]]], 2, Path("lists.npy")) == [[2], [3]]
