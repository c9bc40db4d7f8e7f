"""A map's calibration: `confidence.json` in its folder."""

from pathlib import Path

from vprkit.errors import DataError, StoreError
from vprkit.files import refuse_to_overwrite
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
    refuse_to_overwrite(folder / FILE, overwrite)
    confidence.save(folder / FILE, overwrite)


def _check(folder: Path, confidence: Confidence, method: Method) -> None:
    why = confidence.why_not_method(method.identity())
    if why is not None:
        raise StoreError(f"{folder} is answered by {method.name}, but {why}; fit one on evaluations of this method")
