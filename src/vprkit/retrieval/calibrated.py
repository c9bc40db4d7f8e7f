"""A map's calibration: `confidence.json` in its folder."""

from pathlib import Path

from vprkit.errors import DataError, StoreError, VprError
from vprkit.method import TEXTS, Method
from vprkit.rerank.reranker import told
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


def why_unsure(
    confidence: Confidence | None, method: Method, images: int, top: int, rerank: int | None, texts: bool
) -> str | None:
    """Why answers of a map have no confidence; None where they have one.

    Args:
        confidence: its calibration.
        method: of the map.
        images: that answer.
        top, rerank, texts: as of `Map.locate`; whether texts come with the photos.
    """
    if confidence is None:
        return NONE
    if images < confidence.depth:
        return f"the calibration looks at {confidence.depth} hits, and the map holds {images} images"
    stage = None
    if rerank is not None and method.reranker is None:
        return f"method '{method.name}' has no second stage; leave rerank out"
    if rerank is not None:
        stage = {"count": min(max(rerank, top), images), **told(method.reranker)}
    asks = "photo and text" if texts else "text" if method.reads("query") == TEXTS else "photo"
    return confidence.why_not(method.identity(), stage, asks)


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
