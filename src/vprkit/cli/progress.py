"""Progress bars on standard error, with rate and remaining time; silent where nobody watches."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def bars(quiet: bool = False, unit: str = "img") -> Iterator[Callable[[str, int, int | None], None]]:
    """A function to call with (what, done, total): one bar after the other."""
    from tqdm import tqdm

    current: dict[str, Any] = {}

    def update(what: str, done: int, total: int | None) -> None:
        if what not in current:
            for other in current.values():
                other.close()
            # What an earlier run did must not count into the rate, so it goes into `initial`.
            current[what] = tqdm(
                desc=what,
                unit=unit,
                unit_scale=unit == "B",
                total=total,
                initial=done,
                leave=False,
                disable=quiet or not sys.stderr.isatty(),
            )
        current[what].update(done - current[what].n)

    try:
        yield update
    finally:
        for shown in current.values():
            shown.close()


@contextmanager
def bar(what: str, quiet: bool = False, unit: str = "img") -> Iterator[Callable[[int, int | None], None]]:
    """A function to call with (done, total)."""
    with bars(quiet, unit) as update:
        yield lambda done, total: update(what, done, total)
