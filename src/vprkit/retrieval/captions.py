"""The captions of a map's images, encoded once and kept beside it."""

import functools
import json
from pathlib import Path

import numpy as np

from vprkit.backbones.text_encoder import TextEncoder, encode_texts, encoder_file, load_text_encoder
from vprkit.data.columns import StringColumn
from vprkit.data.records import Records
from vprkit.files import replacing
from vprkit.retrieval.index import ExactIndex
from vprkit.retrieval.store import FeatureStore
from vprkit.weights.reading import sha256_of

BLOCK = 4096
"""Captions at once."""


class Captions:
    """What sentences are compared with.

    Args:
        folder: where the vectors are kept.
        store, records: of the map.
    """

    def __init__(self, folder: Path, store: FeatureStore, records: Records) -> None:
        self.folder, self.store = folder, store
        self.texts = records.texts.get("text", StringColumn.blank(len(records)))
        self._indexes: dict[str, ExactIndex] = {}

    @property
    def there(self) -> np.ndarray:
        """(N,) bool: images with a caption."""
        return np.diff(self.texts.offsets) > 0

    def index(self, encoder: str) -> ExactIndex:
        """Exact search over the captions; images without one have vectors of zeros. Made once."""
        if encoder not in self._indexes:
            self._indexes[encoder] = ExactIndex(self.vectors(encoder))
        return self._indexes[encoder]

    def encode(self, sentences: list[str], encoder: str) -> np.ndarray:
        """(Q, width) unit vectors of sentences."""
        return encode_texts(_reader(encoder), sentences).numpy()

    def vectors(self, encoder: str) -> np.ndarray:
        """(N, width) unit vectors of the captions, zeros where there is none, memory-mapped.

        What was encoded before is read back; rows that were added since are encoded and kept too.
        """
        reader = _reader(encoder)
        kept = self.folder / f"{encoder}.npy"
        facts = kept.with_suffix(".json")
        told = _checksum(encoder_file(encoder))
        before = self._kept(kept, facts, told)
        if len(before) == len(self.texts):
            return before
        kept.parent.mkdir(exist_ok=True)
        with replacing(kept) as temporary:
            _write(temporary, before, self.texts, reader)
            del before
        with replacing(facts) as temporary:
            fingerprint = self.store.journal.fingerprint(len(self.texts))
            temporary.write_text(json.dumps({"encoder": told, "rows": len(self.texts), "store": fingerprint}))
        return np.load(kept, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]

    def _kept(self, path: Path, facts: Path, encoder: str) -> np.ndarray:
        """What an earlier search encoded of these very rows; nothing where that cannot be told."""
        nothing = np.zeros((0, 0), np.float32)
        try:
            told = json.loads(facts.read_text())
            vectors = np.load(path, mmap_mode="r", allow_pickle=False)
            same = told["encoder"] == encoder and told["rows"] == len(vectors) and vectors.dtype == np.float32
            same = same and vectors.ndim == 2 and told["store"] == self.store.journal.fingerprint(len(vectors))
        except (OSError, ValueError, KeyError, TypeError):
            return nothing
        return vectors if same else nothing


def _write(path: Path, before: np.ndarray, texts: StringColumn, reader: TextEncoder) -> None:
    """Vectors that are there already, and those of the texts behind them."""
    vectors = np.lib.format.open_memmap(path, "w+", np.float32, (len(texts), reader.sizes.width))
    for start in range(0, len(before), BLOCK):
        old = before[start : start + BLOCK]
        vectors[start : start + len(old)] = old
    for start in range(len(before), len(texts), BLOCK):
        part = list(texts[start : start + BLOCK])
        vectors[start : start + len(part)] = encode_texts(reader, part).numpy()
    vectors.flush()


@functools.lru_cache(maxsize=1)
def _reader(encoder: str) -> TextEncoder:
    """Loaded once: reading the weights takes longer than many searches."""
    return load_text_encoder(encoder)


@functools.lru_cache(maxsize=2)
def _checksum(weights: Path) -> str:
    return sha256_of(weights)
