"""Map: photos with positions, described once, kept on disk, ready to say where a photo was taken.

A folder with `map.json` (how to load the method, kind of index), `store/` (features and records), `removed.json` (rows
taken out) and, on request, `index/` (an approximate index).
"""

import json
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vprkit.data.benchmark import open_records
from vprkit.data.records import Record, Records
from vprkit.errors import ConfigError, StoreError, VprError
from vprkit.files import exclusive, write_json
from vprkit.method import Method, Photo
from vprkit.retrieval.build import Progress, describe_into, file_sizes
from vprkit.retrieval.describe import Streaming
from vprkit.retrieval.fast import FastIndex
from vprkit.retrieval.index import ExactIndex, Index, Neighbours
from vprkit.retrieval.location import Hit, Location, distinct, estimate_position
from vprkit.retrieval.map_settings import load_described, read_settings, settings_of
from vprkit.retrieval.store import FeatureStore

INDEXES = ("exact", "fast")


class Map:
    """A place map on disk. Make one with `Map.build`, open it with `Map.open`."""

    def __init__(self, folder: Path, settings: dict[str, Any], store: FeatureStore, method: Method) -> None:
        self.folder = folder
        self.settings = settings
        self.store = store
        self.method = method

    @classmethod
    def build(
        cls,
        photos: str | Path | Records,
        method: Method,
        out: str | Path,
        *,
        index: str = "exact",
        streaming: Streaming | None = None,
        progress: Progress | None = None,
    ) -> "Map":
        """Describe photos into a map, or go on with one that was interrupted; photos it holds already are kept.

        Args:
            photos: a folder, a CSV file (see `open_records`) or records.
            method: what describes them, and later the queries.
            out: folder of the map.
            index: `exact`, or `fast` for large maps (approximate, its recall is measured and kept).
            streaming: batching, threads, and what to do with unreadable images (default: skip and list them).
            progress: called with (images done, images in all).
        """
        if index not in INDEXES:
            raise ConfigError(f"index '{index}' is unknown; use exact or fast")
        folder = Path(out)
        records = photos if isinstance(photos, Records) else open_records(photos)
        if folder.exists() and not (folder / "map.json").exists() and any(folder.iterdir()):
            raise VprError(f"{folder} exists and is no map; choose another folder")
        if (folder / "map.json").exists():
            existing = cls.open(folder, method=method)
            existing.settings["index"] = index
            write_json(folder / "map.json", existing.settings)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / "map.json", settings_of(method, index))
        store = describe_into(
            folder / "store", method, records, streaming or Streaming(on_error="skip"), progress=progress
        )
        built = cls(folder, read_settings(folder), store, method)
        built.build_index()
        return built

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        method: Method | None = None,
        weights: str | Path | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> "Map":
        """Open a map, with the method that made it.

        Args:
            path: its folder.
            method: needed for a method that was made from a module; others load themselves.
            weights: where the weights file is now, if it is neither where it was nor in the weights folder.
            device, precision: of the method; a map made on a GPU opens on a CPU.

        Raises:
            StoreError: no map there, damaged, or `method` is another than the one that made it.
        """
        folder = Path(path)
        settings = read_settings(folder)
        if (folder / "store" / "manifest.json").exists():
            store = FeatureStore.open(folder / "store")
        elif method is not None:  # a build that was killed before its first block
            store = FeatureStore(folder / "store", {"identity": method.identity(), "dimension": 0}, [])
        else:
            raise StoreError(f"{folder}: building this map was interrupted before its first photos; run build again")
        method = method or load_described(settings["method"], folder, weights, device, precision)
        store.check_identity(method.identity())
        return cls(folder, settings, store, method)

    def add(
        self, photos: str | Path | Records, streaming: Streaming | None = None, progress: Progress | None = None
    ) -> int:
        """Describe further photos; returns how many were new or changed."""
        before = len(self.store)
        records = photos if isinstance(photos, Records) else open_records(photos)
        self._refresh(
            describe_into(
                self.folder / "store", self.method, records, streaming or Streaming(on_error="skip"), progress=progress
            )
        )
        self.build_index()
        return len(self.store) - before

    def remove(self, names: Sequence[str]) -> int:
        """Take images out by name or wildcard (`2019/*`); files and features stay, the rows are marked.

        Raises:
            VprError: a name fits no image of the map.
        """
        removed = set(self._removed)
        live = [(row, self.records.names[int(row)]) for row in np.flatnonzero(self.live)]
        for name in names:
            fitting = [row for row, known in live if known == name or fnmatchcase(known, name)]
            if not fitting:
                raise VprError(f"'{name}' fits no image of {self.folder}; `vpr map info --list` shows the names")
            removed.update(int(row) for row in fitting)
        count = len(removed) - len(self._removed)
        with exclusive(self.folder / "lock"):
            write_json(self.folder / "removed.json", sorted(removed))
        self._refresh(self.store)
        return count

    def __len__(self) -> int:
        return int(self.live.sum())

    @cached_property
    def records(self) -> Records:
        """Every row's record, removed ones included, with latitude and longitude where they can be known."""
        return self.store.records().with_latlon()

    @cached_property
    def live(self) -> np.ndarray:
        """(N,) bool: rows that are neither removed nor described again later."""
        live = np.zeros(len(self.store), bool)
        live[list(self.store.keys.values())] = True
        live[self._removed] = False
        return live

    @cached_property
    def index(self) -> Index:
        """The index over all rows: the fast one where it was asked for and covers them, else the exact one."""
        fast = None
        if self.settings["index"] == "fast":
            fast = FastIndex.load(self.folder / "index", self.store.vectors, self.method.metric)
        return fast or ExactIndex(self.store.vectors, self.method.metric)

    def build_index(self) -> None:
        """Build what the settings ask for, where it is not there for the present rows."""
        self.__dict__.pop("index", None)
        if self.settings["index"] == "fast" and isinstance(self.index, ExactIndex):
            FastIndex.build(self.store.vectors, self.method.metric, self.folder / "index")
            self.__dict__.pop("index", None)

    def search(self, vectors: np.ndarray, k: int) -> Neighbours:
        """The k best live rows for (Q, D) query vectors; k is clipped to the number of live rows."""
        k = min(k, len(self))
        hidden = len(self.store) - len(self)
        ask = min(len(self.store), k + min(hidden, k + 16))
        while True:
            found = self.index.search(vectors, ask)
            alive = self.live[found.numbers]
            if ask == len(self.store) or (alive.sum(1) >= k).all():
                keep = np.argsort(~alive, axis=1, kind="stable")[:, :k]
                return Neighbours(np.take_along_axis(found.numbers, keep, 1), np.take_along_axis(found.scores, keep, 1))
            ask = min(len(self.store), 2 * ask)

    def locate(self, photo: Photo, top: int = 5, distinct_metres: float | None = None) -> Location:
        """Where a photo was taken: the best `top` database images and the position they suggest.

        Args:
            photo: a path, a PIL image or a uint8 array.
            top: hits wanted.
            distinct_metres: only hits at least this far from every better one (`top` places, not `top` views of one).
        """
        return self.locate_many([photo], top, distinct_metres)[0]

    def locate_many(
        self, photos: Sequence[Photo], top: int = 5, distinct_metres: float | None = None
    ) -> list[Location]:
        """`locate` for several photos at once."""
        if top < 1:
            raise ConfigError(f"top must be at least 1, got {top}")
        if not len(self):
            raise VprError(f"{self.folder} holds no images; add some with `vpr map add`")
        vectors = self.method.index_vectors(self.method.describe(list(photos)), "query").cpu().numpy()
        names = [str(photo) if isinstance(photo, (str, Path)) else f"image {i}" for i, photo in enumerate(photos)]
        wide = max(top, 10) if distinct_metres is None else max(16 * top, 100)
        found = self.search(vectors, wide)
        return [
            self._answer(name, vectors[i : i + 1], numbers, scores, top, distinct_metres)
            for i, (name, numbers, scores) in enumerate(zip(names, found.numbers, found.scores, strict=True))
        ]

    def _answer(
        self,
        name: str,
        vector: np.ndarray,
        numbers: np.ndarray,
        scores: np.ndarray,
        top: int,
        distinct_metres: float | None,
    ) -> Location:
        hits = self._hits(numbers, scores)
        estimate = estimate_position(hits[:10], self.method.metric)
        if distinct_metres is None:
            return Location(name, tuple(hits[:top]), estimate)
        chosen = distinct(hits, distinct_metres, top)
        while len(chosen) < top and len(hits) < len(self):
            more = self.search(vector, 4 * len(hits))
            hits = self._hits(more.numbers[0], more.scores[0])
            chosen = distinct(hits, distinct_metres, top)
        return Location(name, tuple(chosen), estimate)

    def _hits(self, numbers: np.ndarray, scores: np.ndarray) -> list[Hit]:
        return [
            _hit(rank, int(row), self.records[int(row)], float(score))
            for rank, (row, score) in enumerate(zip(numbers, scores, strict=True), 1)
        ]

    def info(self) -> dict[str, Any]:
        """What the map holds, as plain data."""
        records = self.records
        placed = self.live & np.isfinite(records.latitude)
        report = self.index.report.__dict__ if isinstance(self.index, FastIndex) else None
        return {
            "map": str(self.folder), "images": len(self), "removed": len(self._removed),
            "with_position": int((self.live & records.has_position).sum()),
            "bounds": None if not placed.any() else {
                "latitude": [float(records.latitude[placed].min()), float(records.latitude[placed].max())],
                "longitude": [float(records.longitude[placed].min()), float(records.longitude[placed].max())]},
            "method": self.method.name, "weights": self.store.manifest.get("weights"),
            "dimension": self.store.dimension, "metric": self.method.metric, "index": self.settings["index"],
            "fast_index": report, "megabytes": round(sum(
                path.stat().st_size for path in self.folder.rglob("*") if path.is_file()) / 1e6, 1),
            "skipped": [{"name": name, "why": why} for name, why in self.store.skipped],
            "vprkit": self.settings["vprkit"],
        }  # fmt: skip

    def check(self) -> list[str]:
        """What is wrong with the map, one sentence each: checksums, missing and changed photos, a stale index."""
        problems = self.store.verify()
        rows = np.flatnonzero(self.live)
        sizes = file_sizes(self.records.take(rows))
        missing = rows[sizes < 0]
        changed = rows[(sizes >= 0) & (sizes != self.store.file_sizes[rows])]
        for what, found in (("are no longer where they were", missing), ("have changed since", changed)):
            if len(found):
                examples = ", ".join(self.records.names[int(row)] for row in found[:3])
                problems.append(f"{len(found)} of {len(rows)} photos {what}, such as {examples}")
        if self.settings["index"] == "fast" and not isinstance(self.index, FastIndex):
            problems.append("the fast index does not cover the map; run `vpr map build` again")
        return problems

    @cached_property
    def _removed(self) -> list[int]:
        path = self.folder / "removed.json"
        try:
            rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        except ValueError as error:
            raise StoreError(f"{path} cannot be read ({error}); delete it to bring removed images back") from error
        return [int(row) for row in rows if 0 <= row < len(self.store)]

    def _refresh(self, store: FeatureStore) -> None:
        self.store = store
        for name in ("records", "live", "index", "_removed"):
            self.__dict__.pop(name, None)


def _hit(rank: int, row: int, record: Record, score: float) -> Hit:
    return Hit(
        rank,
        record.name,
        record.path,
        score,
        record.latitude,
        record.longitude,
        record.east,
        record.north,
        record.zone,
        record.south,
        record.heading,
        row,
        record.text,
    )
