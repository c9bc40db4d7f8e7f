"""Progress bars on standard error, with rate and remaining time; silent where nobody watches."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(what: str, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A function to call with (done, total)."""
    from tqdm import tqdm

    with tqdm(desc=what, unit="img", disable=quiet or not sys.stderr.isatty(), leave=False) as shown:

        def update(done: int, total: int) -> None:
            shown.total = total
            if shown.initial == 0 and shown.n == 0 and done:
                shown.initial = done  # images kept from an earlier run must not count into the rate
            shown.update(done - shown.n)

        yield update


@contextmanager
def bars(quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """A function to call with (what, done, total): one bar after the other."""
    from tqdm import tqdm

    current: dict[str, tqdm[None]] = {}

    def update(what: str, done: int, total: int) -> None:
        if what not in current:
            for other in current.values():
                other.close()
            current[what] = tqdm(desc=what, unit="img", total=total, initial=done, leave=False,
                                 disable=quiet or not sys.stderr.isatty())
        current[what].update(done - current[what].n)

    try:
        yield update
    finally:
        for shown in current.values():
            shown.close()
