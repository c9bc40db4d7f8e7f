"""What the cache keeps, what goes from it, and that several processes may do both at once."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from vprkit.data import cache, pruning


@pytest.fixture
def base(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("VPRKIT_CACHE", str(tmp_path / "cache"))
    return cache.folder()


def keep(name: str, numbers: int = 10, kind: str = "records") -> str:
    key = cache.key_of(name)
    with cache.writing(kind, key) as entry:
        entry.append("east", np.arange(numbers))
        entry.append("name.utf8", np.zeros(3, np.uint8))
        entry.keep({"list": name})
    return key


def aged(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_the_longest_unused_goes_first(base):
    keys = [keep(name, 1000) for name in "abcd"]
    for age, key in zip((40, 30, 20, 10), keys, strict=True):
        aged(base / "records" / key / "facts.json", age)
    assert cache.load("records", keys[0]) is not None  # used now
    pruning.prune(base, largest=20_000)
    left = [key for key in keys if cache.load("records", key) is not None]
    assert left == [keys[0], keys[3]]
    pruning.prune(base, largest=0, spared=base / "records" / keys[3])
    assert [path.name for path in (base / "records").iterdir()] == [keys[3]]


def test_what_nobody_used_for_long_goes_when_something_is_kept(base):
    old, young = keep("old"), keep("young")
    mapped = cache.load("records", old)[1]["east"]
    (base / "seen").mkdir()
    pointers = [base / "seen" / f"{cache.key_of(name)}.json" for name in ("p", "q")]
    for path in pointers:
        path.write_text("{}")
    for path in (base / "records" / old / "facts.json", pointers[0]):
        aged(path, pruning.OLDEST + 60)
    keep("new", kind="positives")
    assert cache.load("records", old) is None and cache.load("records", young) is not None
    assert not pointers[0].exists() and pointers[1].exists()
    assert mapped.tolist() == list(range(10))  # who has mapped an entry keeps it


def test_what_others_put_there_stays(base):
    key = keep("mine")
    foreign = base / "records" / key / "notes"
    foreign.write_text("not the cache's")
    others = [base / "records" / "my-folder" / "facts.json", base / "seen" / "letter.txt", base / "photo.jpg",
              base / "records" / cache.key_of("lookalike") / "photo.jpg"]  # fmt: skip
    (base / "records" / cache.key_of("link")).symlink_to(base.parent)
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("keep me")
        aged(path, 10 * pruning.OLDEST)
    pruning.prune(base, largest=0, oldest=0)
    assert cache.load("records", key) is None
    assert [path.read_text() for path in others] == ["keep me"] * 4
    assert [path.read_text() for path in base.rglob("notes")] == ["not the cache's"]
    assert (base / "records" / cache.key_of("link")).is_symlink()


def test_remains_of_dead_writers_go_and_running_ones_stay(base):
    remains = []
    for name in ("dead", "running"):
        place = base / "records" / f".{cache.key_of(name)}.x.tmp"
        place.mkdir(parents=True)
        (place / "east").write_bytes(b"12345678")
        remains.append(place)
    for path in (remains[0], remains[0] / "east"):
        aged(path, pruning.ABANDONED + 60)
    keep("new")
    assert not remains[0].exists() and remains[1].exists()


def test_two_writers_of_one_entry(base):
    """The second to finish finds the place taken: the entry stays whole, nothing is left over."""
    key = cache.key_of("same")
    with cache.writing("records", key) as first, cache.writing("records", key) as second:
        assert first.temporary != second.temporary
        for entry in (first, second):
            entry.append("east", np.arange(4))
        first.keep({})
        second.keep({})
    assert cache.load("records", key)[1]["east"].tolist() == [0, 1, 2, 3]
    assert [path.name for path in (base / "records").iterdir()] == [key]


def test_a_full_disk_keeps_nothing_and_breaks_nothing(base, monkeypatch):
    def full(*ignored: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.Entry, "append", full)
    with cache.writing("records", cache.key_of("x")) as entry:
        entry.append("east", np.arange(3))
    assert list((base / "records").iterdir()) == []


RACE = """
import sys, numpy as np
from pathlib import Path
from vprkit.data import cache, pruning
rng = np.random.default_rng(int(sys.argv[1]))
for _ in range(120):
    name = int(rng.integers(6))
    key = cache.key_of(name)
    kept = cache.load("records", key)
    if kept is None:
        with cache.writing("records", key) as entry:
            entry.append("east", np.full(500, name))
            entry.keep({})
    else:
        assert (np.asarray(kept[1]["east"]) == name).all()
    pruning.prune(cache.folder(), largest=int(rng.integers(3)) * 5000, oldest=60)
"""


def test_processes_write_read_and_prune_at_once(base):
    running = [subprocess.Popen([sys.executable, "-c", RACE, str(seed)], stderr=subprocess.PIPE) for seed in range(3)]
    for process in running:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said.decode()
    assert not list((base / "records").glob(".*"))
