"""Damaged inputs for every reader of what others wrote: nothing but `DataError`, no hang, no growing memory."""

import argparse
import random
import resource
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "src")]

from common import table  # noqa: E402
from tests.data.fuzzing import TARGETS, Target  # noqa: E402

from vprkit.errors import DataError  # noqa: E402

PIECES = [
    b"\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\0\0\0\x80",
    b"@",
    b",",
    b"\n",
    b'"',
    b"-1",
    b"nan",
    b"inf",
]
PIECES += [
    b"9" * 30,
    b"1e308",
    b"../",
    b"/",
    b"\xc3\x28",
    b"\x80\x04",
    b"c",
    b"R",
    b"b",
    b"O",
    b"'<f8'",
    b"(9999999, 9)",
]


def damaged(rng: random.Random, seeds: tuple[bytes, ...]) -> bytes:
    """Bytes changed, pieces put in, taken out, doubled or cut off; now and then parts of two inputs."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        place, kind = rng.randrange(len(data) + 1), rng.random()
        if kind < 0.4 and data:
            data[place % len(data)] = rng.randrange(256)
        elif kind < 0.6:
            piece = rng.choice(PIECES)
            data[place : place + len(piece) * rng.randrange(2)] = piece
        elif kind < 0.75:
            del data[place : place + rng.choice((1, 4, 8, 50))]
        elif kind < 0.85:
            data[place:place] = data[place : place + rng.choice((4, 8, 64, 200))]
        elif kind < 0.95:
            other = rng.choice(seeds)
            data[place:] = other[rng.randrange(len(other)) :]
        else:
            del data[place:]
    return bytes(data)


def run(name: str, target: Target, count: int, seed: int) -> tuple[str, ...]:
    rng = random.Random(f"{seed}-{name}")
    refused, slowest, wrong = 0, 0.0, 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as scratch:
        for number in range(count):
            data = damaged(rng, target.seeds)
            start = time.perf_counter()
            try:
                target.read(data, Path(scratch))
            except DataError:
                refused += 1
            except Exception:
                wrong += 1
                print(f"{name}, input {number}: {data!r}", file=sys.stderr)
                traceback.print_exc()
            slowest = max(slowest, time.perf_counter() - start)
    seconds = time.perf_counter() - begin
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    shown = (f"{count:,}", f"{refused:,}", f"{wrong}", f"{1e3 * slowest:.0f}", f"{grown / 1e3:.0f}", f"{seconds:.0f}")
    return (name, *shown)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="inputs per reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=tuple(TARGETS), action="append")
    given = parser.parse_args()
    rows = [run(name, TARGETS[name], given.count, given.seed) for name in given.only or TARGETS]
    table("Damaged inputs", ("reader", "inputs", "refused", "other exceptions", "slowest ms", "grown MB", "s"), rows)
    sys.exit(any(row[3] != "0" for row in rows))
