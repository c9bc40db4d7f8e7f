"""A map's calibration: `confidence.json` in its folder."""

from pathlib import Path

from vprkit.errors import DataError, StoreError, VprError
from vprkit.method import Method
from vprkit.retrieval.confidence import Confidence

FILE = "confidence.json"
NONE = "the map has no calibration; make one with `vpr confidence fit`, and give it to the map with `vpr map calibrate`"


def read(folder: Path, method: Method) -> Confidence | None:
    """The calibration of a map, None where it has none.

    Raises:
        StoreError: it is damaged, or of another method.
    """
    if not (folder / FILE).exists():
        return None
    try:
        confidence = Confidence.load(folder / FILE)
    except DataError as error:
        raise StoreError(f"{error}. Calibrate the map again, or delete this file") from error
    _check(folder, confidence, method)
    return confidence


def write(folder: Path, confidence: Confidence, method: Method, overwrite: bool) -> None:
    """Keep a calibration in a map's folder; the caller holds the map's lock.

    Raises:
        StoreError: it is of another method.
        VprError: there is one already, and `overwrite` is not set.
    """
    _check(folder, confidence, method)
    if (folder / FILE).exists() and not overwrite:
        raise VprError(f"{folder} has a calibration already{_told(folder / FILE)}; --overwrite replaces it")
    confidence.save(folder / FILE, overwrite)


def _told(file: Path) -> str:
    """What a calibration was fitted on; nothing of one that is damaged, which is to be replaced all the more."""
    try:
        return f" ({Confidence.load(file).told})"
    except DataError:
        return ""


def _check(folder: Path, confidence: Confidence, method: Method) -> None:
    why = confidence.why_not_method(method.identity())
    if why is not None:
        raise StoreError(f"{folder} is answered by {method.name}, but {why}; fit one on evaluations of this method")
