"""The journal of a store: one line per committed block, with checksums. A block that is not in it does not exist."""

import dataclasses
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vprkit.errors import StoreError
from vprkit.retrieval import columns
from vprkit.retrieval.columns import Appended

FILE = "journal.jsonl"


@dataclass(frozen=True)
class Block:
    """A committed block.

    Attributes:
        start, stop: its rows.
        folder: what its names are relative to, absolute and without symbolic links.
        parts: what was appended to each column file.
        skipped: (name, why) of images that could not be read.
        superseded: earlier rows that rows of this block replace.
    """

    start: int
    stop: int
    folder: str
    parts: tuple[Appended, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    superseded: tuple[int, ...] = ()


class Journal:
    """Committed blocks of the store in `folder`, and how to add one."""

    def __init__(self, folder: Path, blocks: Sequence[Block] = (), lines: Sequence[bytes] = ()) -> None:
        self.folder = folder
        self.blocks = list(blocks)
        self._lines = list(lines)

    @staticmethod
    def create(folder: Path) -> "Journal":
        """An empty journal; from now on a missing one means damage."""
        columns.append(folder, FILE, b"", 0)
        return Journal(folder)

    @staticmethod
    def read(folder: Path) -> "Journal":
        """Read it. A torn last line is an interrupted append and does not count.

        Raises:
            StoreError: it is missing, or damaged before its last line.
        """
        path = folder / FILE
        try:
            lines = path.read_bytes().split(b"\n")[:-1]
        except OSError as error:
            raise StoreError(
                f"{path} cannot be read ({error.strerror}): the store is damaged; restore it from a copy, "
                "or delete the folder and describe again"
            ) from error
        return Journal(folder, [_block(line, path, number) for number, line in enumerate(lines, 1)], lines)

    def add(self, block: Block) -> None:
        """Commit a block whose parts are on disk."""
        data = json.dumps(dataclasses.asdict(block), separators=(",", ":"))
        line = f"{zlib.crc32(data.encode()):08x} {data}".encode()
        columns.append(self.folder, FILE, line + b"\n", sum(len(known) + 1 for known in self._lines))
        self.blocks.append(block)
        self._lines.append(line)

    def fingerprint(self, rows: int) -> str | None:
        """A checksum of everything committed up to `rows` rows; None where no block ends there."""
        crc, end = 0, None if rows else "empty"
        for block, line in zip(self.blocks, self._lines, strict=True):
            crc = zlib.crc32(line, crc)
            if block.stop == rows:
                end = f"{rows}-{crc:08x}"
            elif block.stop > rows:
                break
        return end


def _block(line: bytes, path: Path, number: int) -> Block:
    checksum, _, data = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(data):
        raise StoreError(f"{path}, line {number}: damaged; restore it from a copy, or describe again")
    raw = json.loads(data)
    return Block(
        raw["start"],
        raw["stop"],
        raw["folder"],
        tuple(Appended(**part) for part in raw["parts"]),
        tuple((name, why) for name, why in raw["skipped"]),
        tuple(raw["superseded"]),
    )
