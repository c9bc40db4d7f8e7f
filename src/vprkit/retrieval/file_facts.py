"""What tells whether image files have changed since they were described."""

from dataclasses import dataclass

import numpy as np

from vprkit.data.records import Records


@dataclass(frozen=True)
class FileFacts:
    """Facts about N image files.

    Attributes:
        size: (N,) int64 bytes, -1 where there is no file.
        modified: (N,) int64 time of the last change in nanoseconds.
        checksum: (N,) uint32 CRC-32 of the content.
    """

    size: np.ndarray
    modified: np.ndarray
    checksum: np.ndarray

    def take(self, rows: np.ndarray) -> "FileFacts":
        return FileFacts(self.size[rows], self.modified[rows], self.checksum[rows])


def file_facts(records: Records) -> FileFacts:
    """Sizes and times of change of the image files; checksums are zero: reading them is describing's work."""
    size, modified = np.full(len(records), -1, np.int64), np.zeros(len(records), np.int64)
    for row in range(len(records)):
        try:
            status = records.path(row).stat()
        except (OSError, ValueError):
            continue
        size[row], modified[row] = status.st_size, status.st_mtime_ns
    return FileFacts(size, modified, np.zeros(len(records), np.uint32))
