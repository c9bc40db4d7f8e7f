"""Why a request gets no answer: a status and a sentence, which never names a path of this machine."""

import re
from collections.abc import Mapping

from vprkit.errors import ImageError, PictureTooLarge, StoreError, UnknownPicture, VprError

RETRY_SECONDS = 1

BROKEN = "something went wrong here; the service's log says what"

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


def without_folders(sentence: str) -> str:
    """A sentence whose absolute paths have lost their folders."""
    return _PATH.sub("", sentence)
