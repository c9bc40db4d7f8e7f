"""Stopping at the end of a step when asked to: Ctrl-C, and what schedulers send before they kill."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = ("SIGINT", "SIGTERM", "SIGUSR1")


class StopRequest:
    """Set once a signal has come.

    Args:
        say: told so, once.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt  # the second Ctrl-C does not wait
        if not self.asked:
            self.asked = True
            self.say("stopping after this step, or validation, and saving; Ctrl-C again stops at once, without")


@contextmanager
def stop_requests(say: Callable[[str], None]) -> Iterator[StopRequest]:
    """While this runs, SIGINT, SIGTERM and SIGUSR1 only ask; outside the main thread Python hears none of them."""
    request = StopRequest(say)
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    before = [signal.signal(number, request) for number in numbers]
    try:
        yield request
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
