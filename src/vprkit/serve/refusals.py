"""Why a request gets no answer: a status and a sentence, which never names a path of this machine."""

import re
from collections.abc import Mapping

from vprkit.errors import ImageError, PictureTooLarge, StoreError, UnknownPicture, VprError
from vprkit.report.words import shorten

RETRY_SECONDS = 1

BROKEN = "something went wrong here; the service's log says what"

LONGEST_PATH = 80
"""Signs of an address that a sentence repeats."""

_PATH = re.compile(r"(?<![\w.:/])/(?:[^/:;,'\"()<>]+/)*(?=[^\s/:;,'\"()<>])")
"""The folders of an absolute path, which may hold spaces: rather a word too many than a folder's name."""

_STATUSES: tuple[tuple[type[VprError], int], ...] = (
    (UnknownPicture, 415),
    (PictureTooLarge, 413),
    (ImageError, 422),
    (StoreError, 500),
    (VprError, 422),
)
"""The first that fits counts."""


class Refusal(VprError):
    """An answer that is none.

    Args:
        status: of HTTP.
        sentence: what the client is told.
        headers: that go with it.
    """

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = dict(headers or {})

    @staticmethod
    def busy(sentence: str) -> "Refusal":
        """Come again soon."""
        return Refusal(503, sentence, {"Retry-After": str(RETRY_SECONDS)})


def refusal_of(error: VprError) -> Refusal:
    """What a client is told of an error of the library."""
    if isinstance(error, Refusal):
        return error
    status = next(status for kind, status in _STATUSES if isinstance(error, kind))
    return Refusal(status, BROKEN if status >= 500 else without_folders(str(error)))


def no_such_route(path: str) -> str:
    """Nothing is there.

    Args:
        path: that was asked for.
    """
    return f"there is nothing at {shorten(path, LONGEST_PATH)}; see /docs"


def no_such_method(method: str, path: str, allowed: str) -> str:
    """Something is there, but it is asked otherwise.

    Args:
        method: of the request.
        path: that was asked for.
        allowed: the methods that it takes, separated by commas.
    """
    asked = shorten(path, LONGEST_PATH)
    return f"{shorten(method, LONGEST_PATH)} is not what {asked} takes; {allowed.replace(', ', ' or ')} it"


def without_folders(sentence: str) -> str:
    """A sentence whose absolute paths have lost their folders."""
    return _PATH.sub("", sentence)
