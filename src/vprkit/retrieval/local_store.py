"""Local features on disk beside the vectors of a store: flat files in shards, read through memory maps by row."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vprkit.features import LocalFeatures
from vprkit.retrieval.columns import Appended
from vprkit.retrieval.journal import Block
from vprkit.retrieval.local_codec import Encoded, LocalCodec

SHARD_BYTES = 2**31
"""A shard is closed once it is this large, so that no file grows beyond what every disk and copy takes."""

_PREFIX = "local"
_HEADER = np.dtype([("tokens", "<i4"), ("height", "<i4"), ("width", "<i4")])


def encode_block(rows: Sequence[Encoded], shard: int) -> Iterator[tuple[str, bytes]]:
    """(file, bytes) of a block: shapes of its rows, then what was kept of them."""
    header = np.array([(len(row.tokens), *row.grid) for row in rows], _HEADER)
    yield f"{_PREFIX}.shapes.bin", header.tobytes()
    yield f"{_PREFIX}.{shard:05}.bin", b"".join(row.tobytes() for row in rows)


def shard_of(blocks: Sequence[Block]) -> int:
    """The shard that the next block goes to."""
    last = next((part for block in reversed(blocks) for part in block.parts if _is_shard(part)), None)
    if last is None:
        return 0
    number = int(last.file.split(".")[1])
    return number + 1 if last.start + last.size >= SHARD_BYTES else number


class StoredLocal:
    """Local features of a store by row.

    Args:
        folder: of the store.
        blocks: what was committed.
        facts: the manifest's entry `local`.
    """

    def __init__(self, folder: Path, blocks: Sequence[Block], facts: dict[str, Any]) -> None:
        self.folder = folder
        self.codec = LocalCodec(facts["dtype"])
        self.channels = int(facts["channels"])
        self.salient = bool(facts.get("saliency", False))
        shapes = [part for block in blocks for part in block.parts if part.file == f"{_PREFIX}.shapes.bin"]
        rows = sum(part.size for part in shapes) // _HEADER.itemsize
        path = folder / f"{_PREFIX}.shapes.bin"
        self.shapes = np.memmap(path, _HEADER, "r", shape=(rows,)) if rows else np.zeros(0, _HEADER)
        self._files, self._shard, self._offsets = self._places(blocks)
        self._maps: dict[str, np.ndarray] = {}

    def encoded(self, row: int) -> Encoded:
        """What was kept of a row, without a copy."""
        tokens, height, width = (int(value) for value in self.shapes[row])
        file = self._files[self._shard[row]]
        if file not in self._maps:
            self._maps[file] = np.memmap(self.folder / file, np.uint8, "c")
        start = int(self._offsets[row])
        data = self._maps[file][start : start + self.codec.bytes_of(tokens, self.channels, self.salient)]
        split = tokens * self.channels * self.codec.numbers.itemsize
        numbers = data[:split].view(self.codec.numbers).reshape(tokens, self.channels)
        factors = data[split:].view("<f4")
        scale, saliency = np.split(factors, [len(factors) - tokens * self.salient])
        return Encoded(numbers, scale, saliency, (height, width))

    def take(self, rows: np.ndarray) -> LocalFeatures:
        """Float32 features of these rows on the CPU."""
        return self.codec.decode([self.encoded(int(row)) for row in rows])

    def _places(self, blocks: Sequence[Block]) -> tuple[list[str], np.ndarray, np.ndarray]:
        """The shards, and (N,) shard and offset of every row."""
        sizes = self.shapes["tokens"].astype(np.int64) * self.codec.bytes_of(1, self.channels, self.salient)
        files: list[str] = []
        shard, offsets = np.zeros(len(sizes), np.int32), np.zeros(len(sizes), np.int64)
        for block in blocks:
            part = next((part for part in block.parts if _is_shard(part)), None)
            if part is None:
                continue
            if part.file not in files[-1:]:
                files.append(part.file)
            mine = sizes[block.start : block.stop]
            offsets[block.start : block.stop] = part.start + np.cumsum(mine) - mine
            shard[block.start : block.stop] = len(files) - 1
        return files, shard, offsets


def _is_shard(part: Appended) -> bool:
    return part.file.startswith(f"{_PREFIX}.") and part.file != f"{_PREFIX}.shapes.bin"
