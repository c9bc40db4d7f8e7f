"""FeatureStore: features and records on disk, append-only, memory-mapped, resumable after a kill at any moment.

A folder with `manifest.json` (whose features these are), `journal.jsonl` (one line per committed block) and one file
per column. A block counts once its journal line is complete; what a killed writer left beyond that, the next cuts off.
"""

import dataclasses
import json
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import vprkit
from vprkit.data.columns import StringColumn
from vprkit.data.records import TEXT_COLUMNS, Records
from vprkit.errors import StoreError
from vprkit.files import sync_folder, write_json
from vprkit.retrieval import columns
from vprkit.retrieval.columns import Appended, Column

FORMAT = 1

_RECORD_COLUMNS = (Column("east", "<f8"), Column("north", "<f8"), Column("zone", "<i2"), Column("south", "?"),
                   Column("latitude", "<f8"), Column("longitude", "<f8"), Column("heading", "<f4"))  # fmt: skip
_SIZE = Column("file_size", "<i8")
_STRINGS = ("name", *TEXT_COLUMNS)


@dataclass(frozen=True)
class Block:
    """A committed block: rows [start, stop), the folder its names are relative to, and its parts on disk."""

    start: int
    stop: int
    folder: str
    parts: tuple[Appended, ...]
    skipped: tuple[tuple[str, str], ...] = ()


class FeatureStore:
    """Features of records on disk. Open it with `open` or `create`; the object shows what was committed then.

    Attributes:
        folder: where it is.
        manifest: identity of the method, dimension, versions.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any], blocks: Sequence[Block]) -> None:
        self.folder = folder
        self.manifest = dict(manifest)
        self.blocks = list(blocks)

    @classmethod
    def create(cls, folder: str | Path, identity: Mapping[str, Any], dimension: int, **details: Any) -> "FeatureStore":
        """Start an empty store.

        Args:
            folder: must not hold one yet.
            identity: `Method.identity()` of the method whose features these will be.
            dimension: D of the global vectors.
            details: further facts for the manifest (precision, weights, ...), not part of the identity.
        """
        folder = Path(folder)
        if (folder / "manifest.json").exists():
            raise StoreError(f"{folder} already holds a feature store; open it, or choose another folder")
        folder.mkdir(parents=True, exist_ok=True)
        manifest = {
            "format": FORMAT,
            "vprkit": vprkit.__version__,
            "identity": dict(identity),
            "dimension": dimension,
            **details,
        }
        write_json(folder / "manifest.json", manifest)
        return cls(folder, manifest, [])

    @classmethod
    def open(cls, folder: str | Path) -> "FeatureStore":
        """Open an existing store for reading or appending.

        Raises:
            StoreError: none there, damaged, or of a newer format.
        """
        folder = Path(folder)
        try:
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            missing = [key for key in ("format", "identity", "dimension") if key not in manifest]
        except FileNotFoundError:
            raise StoreError(f"{folder}: there is no feature store here (no manifest.json)") from None
        except (OSError, ValueError, TypeError) as error:
            raise StoreError(f"{folder}/manifest.json cannot be read ({error})") from error
        if missing:
            raise StoreError(f"{folder}/manifest.json has no '{missing[0]}': not a feature store")
        if manifest["format"] != FORMAT:
            raise StoreError(
                f"{folder} has store format {manifest['format']}, this vprkit reads {FORMAT}; "
                "use the version that wrote it, or describe again"
            )
        store = cls(folder, manifest, _read_journal(folder))
        store._check_sizes()
        return store

    def __len__(self) -> int:
        return self.blocks[-1].stop if self.blocks else 0

    @property
    def dimension(self) -> int:
        return int(self.manifest["dimension"])

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """(name, why) of images that could not be read."""
        return [pair for block in self.blocks for pair in block.skipped]

    @cached_property
    def vectors(self) -> np.ndarray:
        """(N, D) float32 global vectors, memory-mapped."""
        return self._global.read(self.folder, len(self))

    @cached_property
    def names(self) -> StringColumn:
        """Names as they were given, relative to the folder of their block."""
        return columns.read_strings(self.folder, "name", len(self))

    @cached_property
    def file_sizes(self) -> np.ndarray:
        """(N,) bytes of each image file when it was described."""
        return _SIZE.read(self.folder, len(self))

    @cached_property
    def keys(self) -> dict[str, int]:
        """`folder/name` -> the last row that describes it."""
        return {
            f"{block.folder}/{self.names[row]}": row for block in self.blocks for row in range(block.start, block.stop)
        }

    def records(self) -> Records:
        """All records; names are complete paths where blocks came from different folders."""
        folders = {block.folder for block in self.blocks}
        names: StringColumn = self.names
        if len(folders) > 1:
            names = StringColumn.of(
                str(Path(block.folder) / self.names[row]).lstrip("/")
                for block in self.blocks
                for row in range(block.start, block.stop)
            )
        root = Path(folders.pop()) if len(folders) == 1 else Path("/")
        texts = {name: columns.read_strings(self.folder, name, len(self)) for name in TEXT_COLUMNS}
        east, north, zone, south, latitude, longitude, heading = (
            column.read(self.folder, len(self)) for column in _RECORD_COLUMNS
        )
        present = {key: column for key, column in texts.items() if len(column.data)}
        return Records(root, names, east, north, zone, south, latitude, longitude, heading, present)

    def check_identity(self, identity: Mapping[str, Any]) -> None:
        """Raise where these are features of another method, naming what differs."""
        mine = self.manifest["identity"]
        wanted = json.loads(json.dumps(identity))
        differing = [
            f"{key}: {_short(mine.get(key))} here, {_short(wanted.get(key))} asked"
            for key in sorted({*mine, *wanted})
            if mine.get(key) != wanted.get(key)
        ]
        if differing:
            raise StoreError(
                f"{self.folder} holds features of another method ({'; '.join(differing)}). "
                "Use another folder, or the method it was made with"
            )

    def append(
        self, records: Records, vectors: np.ndarray, sizes: np.ndarray, skipped: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Commit a block; the caller holds the lock (`vprkit.files.exclusive`). On return it is on disk.

        Args:
            records: what the rows are; `records.root` is remembered.
            vectors: (B, D) float32.
            sizes: (B,) bytes of the image files.
            skipped: (name, why) of images of this block that could not be read.
        """
        if len(vectors) != len(records) or len(sizes) != len(records):
            raise StoreError(f"{len(records)} records but {len(vectors)} vectors and {len(sizes)} sizes")
        if not np.isfinite(vectors).all():
            bad = int(np.flatnonzero(~np.isfinite(vectors).all(1))[0])
            raise StoreError(
                f"the features of '{records.names[bad]}' are not finite; are the weights damaged, or is the "
                "precision too low for them?"
            )
        self._check_space(vectors)
        ends = {part.file: part.start + part.size for part in (self.blocks[-1].parts if self.blocks else ())}
        parts = tuple(
            columns.append(self.folder, file, data, ends.get(file, 0))
            for file, data in self._encoded(records, vectors, sizes)
        )
        start = len(self)
        block = Block(start, start + len(records), str(records.root.absolute()), parts, tuple(skipped))
        line = _journal_line(block)
        journal = columns.append(self.folder, "journal.jsonl", line, self._journal_end())
        if not self.blocks:
            sync_folder(self.folder)
        self.blocks.append(block)
        self._journal_size = journal.start + journal.size
        for name in ("vectors", "names", "file_sizes", "keys"):
            self.__dict__.pop(name, None)

    def verify(self) -> list[str]:
        """Read everything and compare with the checksums; what is wrong, one sentence each."""
        problems = (columns.verify(self.folder, part) for block in self.blocks for part in block.parts)
        return [problem for problem in problems if problem is not None]

    @property
    def _global(self) -> Column:
        return Column("global", "<f4", (self.dimension,))

    def _encoded(self, records: Records, vectors: np.ndarray, sizes: np.ndarray) -> Iterator[tuple[str, bytes]]:
        for column in _RECORD_COLUMNS:
            yield f"{column.name}.bin", column.encode(getattr(records, column.name))
        yield f"{_SIZE.name}.bin", _SIZE.encode(sizes)
        empty = StringColumn(np.zeros(0, np.uint8), np.zeros(len(records) + 1, np.int64))
        for name in _STRINGS:
            strings = records.names if name == "name" else records.texts.get(name, empty)
            text, lengths = columns.encode_strings(strings)
            yield f"{name}.utf8.bin", text
            yield f"{name}.lengths.bin", lengths
        yield f"{self._global.name}.bin", self._global.encode(vectors)

    def _journal_end(self) -> int:
        return getattr(self, "_journal_size", None) or sum(len(_journal_line(block)) for block in self.blocks)

    def _check_space(self, vectors: np.ndarray) -> None:
        free = shutil.disk_usage(self.folder).free
        if vectors.nbytes * 2 > free:
            raise StoreError(
                f"{self.folder}: only {free / 1e6:.0f} MB of disk are left; free some and run the same "
                "command again, nothing committed is lost"
            )

    def _check_sizes(self) -> None:
        for part in self.blocks[-1].parts if self.blocks else ():
            path = self.folder / part.file
            have = path.stat().st_size if path.exists() else 0
            if have < part.start + part.size:
                raise StoreError(
                    f"{path} is {have} bytes, its journal says {part.start + part.size}: the store is "
                    "damaged; restore it from a copy, or delete the folder and describe again"
                )


def _journal_line(block: Block) -> bytes:
    data = json.dumps(dataclasses.asdict(block), ensure_ascii=True, separators=(",", ":"))
    return f"{zlib.crc32(data.encode()):08x} {data}\n".encode()


def _read_journal(folder: Path) -> list[Block]:
    """Committed blocks. A torn last line is an interrupted append; a bad line before the last is damage."""
    path = folder / "journal.jsonl"
    lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
    blocks: list[Block] = []
    for number, line in enumerate(lines[:-1], 1):
        checksum, _, data = line.partition(b" ")
        if checksum != b"%08x" % zlib.crc32(data):
            raise StoreError(f"{path}, line {number}: damaged; restore it from a copy, or describe again")
        raw = json.loads(data)
        parts = tuple(Appended(**part) for part in raw["parts"])
        blocks.append(
            Block(raw["start"], raw["stop"], raw["folder"], parts, tuple((name, why) for name, why in raw["skipped"]))
        )
    return blocks


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
