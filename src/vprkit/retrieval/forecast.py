"""What a store of images will take on disk, told before anything is described."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from vprkit.errors import StoreError
from vprkit.method import Method
from vprkit.retrieval.local_codec import LocalCodec
from vprkit.retrieval.store import FeatureStore

RECORD_BYTES = 300
"""About what a record takes beside its features."""


@dataclass(frozen=True)
class Forecast:
    """What so many images take.

    Attributes:
        images: how many.
        numbers: float32 numbers kept of each.
        local: bytes of each one's local features, 0 where none are kept; None where that depends on the image.
    """

    images: int
    numbers: int
    local: int | None = 0

    @property
    def size(self) -> int:
        """Bytes, about; without local features where these depend on the image."""
        return self.images * (4 * self.numbers + RECORD_BYTES + (self.local or 0))

    def refuse_beyond(self, folder: Path) -> None:
        """Raise where the folder's disk has not that much.

        Raises:
            StoreError: as said.
        """
        free = shutil.disk_usage(folder).free
        if self.size > free:
            local = f" and {self.local:,} bytes of local features" if self.local else ""
            raise StoreError(
                f"describing {self.images} images of {self.numbers} numbers{local} needs about "
                f"{self.size / 1e9:.1f} GB in {folder}, {free / 1e9:.1f} GB are free; free some, or choose another disk"
            )


def forecast(
    images: int, method: Method, local: LocalCodec | None = None, store: FeatureStore | None = None
) -> Forecast:
    """What so many images of a method take.

    Args:
        images: how many are described.
        method: what describes them.
        local: how local features are kept, None where they are not.
        store: where they go; one that holds images tells what each takes.
    """
    if store is not None and len(store):
        each = kept_local_bytes(store) if store.local_facts else 0.0
        return Forecast(images, store.dimension + sum(store.beside.values()), round(each))
    return Forecast(images, method.dimension, 0 if local is None else local_bytes(method, local))


def local_bytes(method: Method, codec: LocalCodec) -> int | None:
    """Bytes that the local features of an image take, told by an empty one; None where images keep their own size."""
    if method.preprocessing.fixed_size is None:
        return None
    local = method.describe_blank().local
    if local is None:
        return 0
    return codec.bytes_of(int(local.counts[0]), local.tokens.shape[2], local.saliency is not None)


def kept_local_bytes(store: FeatureStore) -> float:
    """Bytes of local features that a store keeps per image, on average."""
    stored = store.local
    return float(stored.shapes["tokens"].mean()) * stored.codec.bytes_of(1, stored.channels, stored.salient)
