"""Finding places by a sentence: over the images of a cross-modal map, or over the captions of any other."""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vprkit.backbones.text_encoder import TextEncoder, encode_texts, encoder_file, load_text_encoder
from vprkit.data import geo
from vprkit.data.columns import StringColumn
from vprkit.data.records import Records
from vprkit.errors import ConfigError, DataError
from vprkit.files import replacing
from vprkit.method import TEXTS
from vprkit.retrieval.index import ExactIndex, Neighbours
from vprkit.retrieval.locate import Finder
from vprkit.retrieval.location import Location
from vprkit.retrieval.map import Map
from vprkit.weights.reading import sha256_of

FOLDER = "captions"
BLOCK = 4096
"""Captions at once."""


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
    allowed = place_map.live.copy()
    if place_map.method.reads("query") == TEXTS:
        method, index = place_map.method, place_map.vectors
        asked = method.index_vectors(method.describe(texts=sentences).cpu(), "query").numpy()
        metric = method.metric
        judge = None if (only or Filter()) != Filter() or place_map.why_unsure(top) else place_map.calibration
    else:
        captions = place_map.records.texts.get("text", StringColumn.blank(len(place_map.records)))
        allowed &= np.diff(captions.offsets) > 0
        _refuse_silence(place_map, allowed)
        reader = _reader(encoder)
        index = caption_vectors(place_map, captions, reader, encoder)
        asked, metric, judge = encode_texts(reader, sentences).numpy(), "ip", None
    rows = np.flatnonzero(allowed & (only or Filter()).of(place_map.records))
    if not rows.size:
        raise DataError("no image of this map passes the filter; widen it")
    among = ExactIndex(index if len(rows) == len(index) else np.ascontiguousarray(index[rows]), metric)

    def search(vectors: np.ndarray, k: int) -> Neighbours:
        found = among.search(vectors, k)
        return Neighbours(rows[found.numbers], found.scores)

    finder = Finder(place_map.method, search, place_map.store, len(rows), top, distinct_metres, metric=metric,
                    confidence=judge)  # fmt: skip
    return finder.of_vectors(sentences, asked)


def caption_vectors(place_map: Map, captions: StringColumn, reader: TextEncoder, encoder: str) -> np.ndarray:
    """(N, width) unit vectors of the captions of a map's rows, zeros where there is none; kept beside the map.

    What was encoded before is read back; rows that were added since are encoded and kept too.
    """
    kept = place_map.folder / FOLDER / f"{encoder}.npy"
    facts = kept.with_suffix(".json")
    told = _checksum(encoder_file(encoder))
    before = _kept(kept, facts, told, place_map)
    if len(before) == len(captions):
        return before
    kept.parent.mkdir(exist_ok=True)
    with replacing(kept) as temporary:
        shape = (len(captions), reader.sizes.width)
        vectors = np.lib.format.open_memmap(temporary, "w+", np.float32, shape)
        for start in range(0, len(before), BLOCK):
            old = before[start : start + BLOCK]
            vectors[start : start + len(old)] = old
        for start in range(len(before), len(captions), BLOCK):
            part = list(captions[start : start + BLOCK])
            vectors[start : start + len(part)] = encode_texts(reader, part).numpy()
        vectors.flush()
        del vectors, before
    with replacing(facts) as temporary:
        fingerprint = place_map.store.journal.fingerprint(len(captions))
        temporary.write_text(json.dumps({"encoder": told, "rows": len(captions), "store": fingerprint}))
    return np.load(kept, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]


@functools.lru_cache(maxsize=1)
def _reader(encoder: str) -> TextEncoder:
    """Loaded once: reading the weights takes longer than many searches."""
    return load_text_encoder(encoder)


@functools.lru_cache(maxsize=2)
def _checksum(weights: Path) -> str:
    return sha256_of(weights)


def _kept(path: Path, facts: Path, encoder: str, place_map: Map) -> np.ndarray:
    """What an earlier search encoded of these very rows; nothing where that cannot be told."""
    nothing = np.zeros((0, 0), np.float32)
    try:
        told = json.loads(facts.read_text())
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
        same = told["encoder"] == encoder and told["rows"] == len(vectors) and vectors.dtype == np.float32
        same = same and vectors.ndim == 2 and told["store"] == place_map.store.journal.fingerprint(len(vectors))
    except (OSError, ValueError, KeyError, TypeError):
        return nothing
    return vectors if same else nothing


def _refuse_silence(place_map: Map, allowed: np.ndarray) -> None:
    if not allowed.any():
        raise DataError(
            f"{place_map.folder} has no captions to search (and its method '{place_map.method.name}' does not read "
            "texts): build it with --texts CSV, or with lavpr-crossmodal"
        )
