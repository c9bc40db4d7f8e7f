"""FeatureStore: features and records on disk, append-only, memory-mapped, resumable after a kill at any moment.

A folder with `manifest.json` (whose features these are), `journal.jsonl` (one line per committed block) and one file
per column. A block counts once its journal line is complete; what a killed writer left beyond that, the next cuts off.
"""

import bisect
import dataclasses
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vprkit.data.columns import StringColumn
from vprkit.data.records import TEXT_COLUMNS, Records
from vprkit.errors import StoreError
from vprkit.features import Features
from vprkit.files import sync_folder, write_json
from vprkit.retrieval import columns
from vprkit.retrieval.columns import Column
from vprkit.retrieval.file_facts import FileFacts
from vprkit.retrieval.journal import Block, Journal
from vprkit.retrieval.local_codec import Encoded
from vprkit.retrieval.local_store import StoredLocal, encode_block, shard_of
from vprkit.retrieval.store_manifest import MANIFEST, new_manifest, read_manifest, refuse_other

_RECORD_COLUMNS = (Column("east", "<f8"), Column("north", "<f8"), Column("zone", "<i2"), Column("south", "?"),
                   Column("latitude", "<f8"), Column("longitude", "<f8"), Column("heading", "<f4"))  # fmt: skip
_FILE_COLUMNS = (Column("file_size", "<i8"), Column("file_modified", "<i8"), Column("file_checksum", "<u4"))
_STRINGS = ("name", *TEXT_COLUMNS)


class FeatureStore:
    """Features of records on disk. Open it with `open` or `create`; the object shows what was committed then.

    Attributes:
        folder: where it is.
        manifest: identity of the method, dimension, versions.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any], journal: Journal) -> None:
        self.folder = folder
        self.manifest = dict(manifest)
        self.journal = journal

    @classmethod
    def absent(cls, folder: Path) -> "FeatureStore":
        """Stands for a store before its first block; nothing is written."""
        return cls(folder, {"identity": {}, "dimension": 0}, Journal(folder))

    @classmethod
    def create(cls, folder: str | Path, identity: Mapping[str, Any], dimension: int, **details: Any) -> "FeatureStore":
        """Start an empty store.

        Args:
            folder: must not hold one yet.
            identity: `Method.identity()` of the method whose features these will be.
            dimension: D of the global vectors.
            details: further facts for the manifest (precision, weights, ...), not part of the identity; `beside` names
                what is kept beside the global vectors (`text`, `weight`) and how many numbers each has.
        """
        folder = Path(folder)
        if (folder / MANIFEST).exists():
            raise StoreError(f"{folder} already holds a feature store; open it, or choose another folder")
        folder.mkdir(parents=True, exist_ok=True)
        manifest = new_manifest(identity, dimension, details)
        journal = Journal.create(folder)
        write_json(folder / MANIFEST, manifest)
        return cls(folder, manifest, journal)

    @classmethod
    def open(cls, folder: str | Path) -> "FeatureStore":
        """Open an existing store for reading or appending.

        Raises:
            StoreError: none there, damaged, or of a newer format.
        """
        folder = Path(folder)
        manifest = read_manifest(folder)
        store = cls(folder, manifest, Journal.read(folder))
        store._check_sizes()
        return store

    def __len__(self) -> int:
        return self.blocks[-1].stop if self.blocks else 0

    @property
    def dimension(self) -> int:
        return int(self.manifest["dimension"])

    @property
    def blocks(self) -> list[Block]:
        return self.journal.blocks

    @cached_property
    def skipped(self) -> dict[str, str]:
        """Path -> why, of images that could not be read and have not been described since; some have an earlier row."""
        listed: dict[str, tuple[int, str]] = {}
        for block in self.blocks:
            listed.update({f"{block.folder}/{name}": (block.stop, why) for name, why in block.skipped})
        return {path: why for path, (stop, why) in listed.items() if self.keys.get(path, -1) < stop} if listed else {}

    @cached_property
    def current(self) -> np.ndarray:
        """(N,) bool: rows that no later row replaces."""
        current = np.ones(len(self), bool)
        for block in self.blocks:
            current[list(block.superseded)] = False
        return current

    @cached_property
    def vectors(self) -> np.ndarray:
        """(N, D) float32 global vectors, memory-mapped."""
        return self._column("global", self.dimension).read(self.folder, len(self))

    @property
    def beside(self) -> dict[str, int]:
        """What is kept beside the global vectors, by name, with the numbers per row."""
        kept: dict[str, int] = self.manifest.get("beside") or {}
        return kept

    @property
    def arrays_beside(self) -> dict[str, np.ndarray]:
        """(N, width) float32 each, memory-mapped: what is kept beside the global vectors."""
        return {name: self._column(name, width).read(self.folder, len(self)) for name, width in self.beside.items()}

    def features(self, rows: np.ndarray | slice) -> Features:
        """Global vectors and what is kept beside them, of some rows."""
        kept = {name: torch.from_numpy(np.array(part[rows])) for name, part in self.arrays_beside.items()}
        vectors = torch.from_numpy(np.array(self.vectors[rows]))
        return Features(vectors, text=kept.get("text"), weight=kept.get("weight"))

    @property
    def local_facts(self) -> dict[str, Any] | None:
        """What the manifest says of local features: `dtype` and `channels`; None where there are none."""
        facts: dict[str, Any] | None = self.manifest.get("local")
        return facts

    @cached_property
    def local(self) -> StoredLocal:
        """Local features by row.

        Raises:
            StoreError: the store keeps none.
        """
        if self.local_facts is None:
            raise StoreError(f"{self.folder} keeps no local features; describe again into another folder")
        return StoredLocal(self.folder, self.blocks, self.local_facts)

    @cached_property
    def names(self) -> StringColumn:
        """Names as they were given, relative to the folder of their block."""
        return columns.read_strings(self.folder, "name", len(self))

    @cached_property
    def files(self) -> FileFacts:
        """What the image files were when they were described."""
        return FileFacts(*(column.read(self.folder, len(self)) for column in _FILE_COLUMNS))

    @cached_property
    def keys(self) -> dict[str, int]:
        """`folder/name` -> the last row that describes it."""
        names = iter(self.names)
        return {f"{block.folder}/{next(names)}": row for block in self.blocks for row in range(block.start, block.stop)}

    def path(self, row: int) -> Path:
        """Where the image of a row was when it was described."""
        return Path(self.block_of(row).folder) / self.names[row]

    def block_of(self, row: int) -> Block:
        """The block that holds a row."""
        return self.blocks[bisect.bisect_right(self.blocks, row, key=lambda block: block.stop)]

    def records(self, rows: np.ndarray | None = None) -> Records:
        """Records of the given rows (default: all); names are complete paths where blocks came from several folders."""
        table = self._table if rows is None else self._table.take(rows)
        if len({block.folder for block in self.blocks}) > 1:
            numbers = range(len(self)) if rows is None else map(int, rows)
            names = StringColumn.of(str(self.path(row)).lstrip("/") for row in numbers)
            table = dataclasses.replace(table, names=names)
        return table

    @cached_property
    def _table(self) -> Records:
        """Every row under the name that it was given. Opening the columns takes longer than reading a few rows."""
        texts = {name: columns.read_strings(self.folder, name, len(self)) for name in TEXT_COLUMNS}
        present = {key: column for key, column in texts.items() if len(column.data)}
        east, north, zone, south, latitude, longitude, heading = (
            column.read(self.folder, len(self)) for column in _RECORD_COLUMNS
        )
        folders = {block.folder for block in self.blocks}
        root = Path(next(iter(folders))) if len(folders) == 1 else Path("/")
        return Records(root, self.names, east, north, zone, south, latitude, longitude, heading, present)

    def check_identity(self, identity: Mapping[str, Any]) -> None:
        """Raise where these are features of another method, naming what differs."""
        refuse_other(self.folder, self.manifest["identity"], identity)

    def append(
        self,
        records: Records,
        vectors: np.ndarray,
        files: FileFacts,
        *,
        skipped: Sequence[tuple[str, str]] = (),
        superseded: Sequence[int] = (),
        local: Sequence[Encoded] = (),
        beside: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Commit a block; the caller holds the lock (`vprkit.files.exclusive`). On return it is on disk.

        Args:
            records: what the rows are; `records.root` is remembered.
            vectors: (B, D) float32.
            files: what the image files are now.
            skipped: (name, why) of images that could not be read.
            superseded: earlier rows that these replace.
            local: local features of the rows, where the store keeps them (`local` in its manifest).
            beside: (B, width) float32 of everything in `beside`.
        """
        beside = beside or {}
        if {name: part.shape[1] for name, part in beside.items()} != self.beside:
            raise StoreError(
                f"{self.folder} keeps {self.beside or 'nothing'} beside global vectors, not {list(beside)}"
            )
        if len(local) != (len(records) if self.local_facts else 0):
            raise StoreError(f"{len(records)} records but local features of {len(local)}")
        if len(vectors) != len(records) or len(files.size) != len(records):
            raise StoreError(f"{len(records)} records but {len(vectors)} vectors and {len(files.size)} files")
        finite = np.logical_and.reduce([np.isfinite(part).all(1) for part in (vectors, *beside.values())])
        if not finite.all():
            bad = int(np.flatnonzero(~finite)[0])
            raise StoreError(
                f"the features of '{records.names[bad]}' are not finite; are the weights damaged, or is the "
                "precision too low for them?"
            )
        self._check_space(vectors.nbytes + sum(row.nbytes for row in local))
        ends = {part.file: part.start + part.size for part in (self.blocks[-1].parts if self.blocks else ())}
        parts = tuple(
            columns.append(self.folder, file, data, ends.get(file, 0))
            for file, data in self._encoded(records, {"global": vectors, **beside}, files, local)
        )
        start, folder = len(self), str(records.root.resolve())
        self.journal.add(Block(start, start + len(records), folder, parts, tuple(skipped), tuple(map(int, superseded))))
        if start == 0:
            sync_folder(self.folder)
        for name in ("vectors", "names", "files", "keys", "skipped", "current", "local", "_table"):
            self.__dict__.pop(name, None)

    def verify(self) -> list[str]:
        """Read everything and compare with the checksums; what is wrong, one sentence each."""
        problems = (columns.verify(self.folder, part) for block in self.blocks for part in block.parts)
        return [problem for problem in problems if problem is not None]

    @staticmethod
    def _column(name: str, width: int) -> Column:
        return Column(name, "<f4", (width,))

    def _encoded(
        self, records: Records, features: Mapping[str, np.ndarray], files: FileFacts, local: Sequence[Encoded]
    ) -> Iterator[tuple[str, bytes]]:
        for column in _RECORD_COLUMNS:
            yield f"{column.name}.bin", column.encode(getattr(records, column.name))
        for column, values in zip(_FILE_COLUMNS, (files.size, files.modified, files.checksum), strict=True):
            yield f"{column.name}.bin", column.encode(values)
        empty = StringColumn(np.zeros(0, np.uint8), np.zeros(len(records) + 1, np.int64))
        for name in _STRINGS:
            strings = records.names if name == "name" else records.texts.get(name, empty)
            text, lengths = columns.encode_strings(strings)
            yield f"{name}.utf8.bin", text
            yield f"{name}.lengths.bin", lengths
        for name, values in features.items():
            yield f"{name}.bin", self._column(name, values.shape[1]).encode(values)
        if local:
            yield from encode_block(local, shard_of(self.blocks))

    def _check_space(self, needed: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if needed * 2 > free:
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
