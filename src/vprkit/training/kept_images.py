"""Decoded training images in memory, up to a limit: small sets are decoded once, not once per epoch."""

import threading
from collections.abc import Callable

from torch import Tensor


class KeptImages:
    """8-bit images by row, as long as there is room. Safe to share among decoding threads.

    Args:
        gigabytes: how much they may take together; what does not fit is decoded each time.
    """

    def __init__(self, gigabytes: float) -> None:
        self.free = int(gigabytes * 1e9)
        self._images: dict[int, Tensor] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Images kept."""
        return len(self._images)

    def get(self, row: int, decode: Callable[[], Tensor]) -> Tensor:
        """Image `row`, decoded at most once where it fits. Callers do not change it."""
        image = self._images.get(row)
        if image is None:
            image = decode()
            self._keep(row, image)
        return image

    def _keep(self, row: int, image: Tensor) -> None:
        with self._lock:
            if row not in self._images and image.nbytes <= self.free:
                self._images[row] = image
                self.free -= image.nbytes
