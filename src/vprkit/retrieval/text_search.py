"""Finding places by a sentence: over the images of a cross-modal map, or over the captions of any other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vprkit.data import geo
from vprkit.data.columns import StringColumn
from vprkit.data.records import Records
from vprkit.errors import ConfigError, DataError
from vprkit.method import TEXTS
from vprkit.retrieval.locate import Finder
from vprkit.retrieval.location import Location
from vprkit.retrieval.map import Map
from vprkit.retrieval.partial import PartialIndex


@dataclass(frozen=True)
class Filter:
    """Which images may answer.

    Attributes:
        near: latitude and longitude, degrees; None: anywhere.
        within: metres from there.
        condition: as records have it (`night`), None: any.
    """

    near: tuple[float, float] | None = None
    within: float | None = None
    condition: str | None = None

    def __post_init__(self) -> None:
        if (self.near is None) != (self.within is None):
            raise ConfigError("a search near a point needs both the point and the metres around it")
        if self.within is not None and not self.within > 0:
            raise ConfigError(f"a search near a point needs positive metres, got {self.within}")

    def of(self, records: Records) -> np.ndarray:
        """(N,) bool: records that may answer.

        Raises:
            DataError: no record has what is asked for.
        """
        allowed = np.ones(len(records), bool)
        if self.near is not None and self.within is not None:
            metres = geo.great_circle(*self.near, records.latitude, records.longitude)
            allowed &= np.nan_to_num(metres, nan=np.inf) <= self.within
        if self.condition is not None:
            values, codes = records.texts.get("condition", StringColumn.blank(len(records))).distinct()
            if self.condition not in values:
                known = ", ".join(sorted(filter(None, values))) or "none"
                raise DataError(f"no image of this map has the condition '{self.condition}'; known: {known}")
            allowed &= codes == values.index(self.condition)
        return allowed


def search_text(
    place_map: Map,
    sentences: Sequence[str],
    top: int = 5,
    distinct_metres: float | None = None,
    only: Filter | None = None,
    encoder: str = "minilm",
) -> list[Location]:
    """Where each sentence may have been written: the best images by their pixels (a cross-modal map), or by captions.

    A cross-modal map that was calibrated on texts says how sure it is, where all its images may answer.

    Args:
        place_map: the map; one whose method does not read texts needs captions on its images.
        sentences: what is looked for.
        top: hits of each.
        distinct_metres: only hits at least this far from every better one.
        only: which images may answer.
        encoder: the sentence encoder for captions.

    Raises:
        ConfigError: a sentence is empty.
        DataError: the map has no captions, or nothing passes the filter.
    """
    if not all(sentence.strip() for sentence in sentences):
        raise ConfigError("there is nothing to search for: the sentence is empty")
    only = only or Filter()
    if place_map.method.reads("query") == TEXTS:
        method, allowed = place_map.method, place_map.live
        asked = method.index_vectors(method.describe(texts=sentences).cpu(), "query").numpy()
        index, vectors, metric = place_map.index, place_map.vectors, method.metric
        judge = None if only != Filter() or place_map.why_unsure(top) else place_map.calibration
    else:
        allowed = place_map.live & place_map.captions.there
        _refuse_silence(place_map, allowed)
        index = place_map.captions.index(encoder)
        asked = place_map.captions.encode(list(sentences), encoder)
        vectors, metric, judge = index.vectors, "ip", None
    if only != Filter():
        allowed = allowed & only.of(place_map.records)
        if not allowed.any():
            raise DataError("no image of this map passes the filter; widen it")
    among = PartialIndex(index, vectors, metric, allowed)
    finder = Finder(place_map.method, among.search, place_map.store, len(among), top, distinct_metres, metric=metric,
                    confidence=judge)  # fmt: skip
    return finder.of_vectors(sentences, asked)


def _refuse_silence(place_map: Map, allowed: np.ndarray) -> None:
    if not allowed.any():
        raise DataError(
            f"{place_map.folder} has no captions to search (and its method '{place_map.method.name}' does not read "
            "texts): build it with --texts CSV, or with lavpr-crossmodal"
        )
