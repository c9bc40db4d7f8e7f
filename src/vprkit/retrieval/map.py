"""Map: photos with positions, described once, kept on disk, ready to say where a photo was taken.

A folder with `map.json` (how to load the method, kind of index), `store/` (features and records), `removed.json` (rows
taken out) and, on request, `index/` (an approximate index) and `confidence.json` (a calibration).
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vprkit.data.benchmark import open_records
from vprkit.data.decoding import Photo
from vprkit.data.records import Records
from vprkit.errors import NotAvailable, StoreError
from vprkit.files import exclusive
from vprkit.method import Method
from vprkit.retrieval import calibrated, map_facts
from vprkit.retrieval import map_settings as settings_file
from vprkit.retrieval.build import Built, Progress, describe_into
from vprkit.retrieval.captions import Captions
from vprkit.retrieval.confidence import Confidence
from vprkit.retrieval.describe import Streaming
from vprkit.retrieval.fast import FastIndex
from vprkit.retrieval.index import Index, Neighbours, Rows
from vprkit.retrieval.index_rows import index_rows
from vprkit.retrieval.local_codec import LocalCodec, LocalDtype
from vprkit.retrieval.locate import Finder
from vprkit.retrieval.location import Location, check_reject, rejected_below
from vprkit.retrieval.partial import PartialIndex
from vprkit.retrieval.removed import carry_removals, live_rows, matching, read_removed, write_removed
from vprkit.retrieval.second_look import SecondLook
from vprkit.retrieval.store import FeatureStore
from vprkit.retrieval.weighted import exact_index

_CACHED = ("records", "live", "index", "removed", "vectors", "calibration", "answering", "captions")


class Map:
    """A place map on disk. Make one with `Map.build`, open it with `Map.open`."""

    def __init__(self, folder: Path, settings: dict[str, Any], store: FeatureStore, method: Method) -> None:
        self.folder = folder
        self.settings = settings
        self.store = store
        self.method = method
        self.built: Built | None = None
        """What the last `build` or `add` through this object came to."""
        self._second_look: SecondLook | None = None

    @classmethod
    def build(
        cls,
        photos: str | Path | Records,
        method: Method,
        out: str | Path,
        *,
        index: str | None = None,
        local: LocalDtype | None = None,
        streaming: Streaming | None = None,
        progress: Progress | None = None,
    ) -> "Map":
        """Describe photos into a map, or go on with one that was interrupted; photos it holds already are kept.

        Photos that were removed from the map stay removed; `add` brings them back.

        Args:
            photos: a folder, a CSV file (see `open_records`) or records.
            method: what describes them, and later the queries.
            out: folder of the map.
            index: `exact`, or `fast` for large maps (approximate, its recall is measured and kept); None keeps what the
                map has, and is `exact` for a new one.
            local: keep local features for re-ranking, as float32, float16 or int8; None keeps what the map has.
            streaming: batching, threads, and what to do with unreadable images (default: skip and list them).
            progress: called with (images done, images in all).

        Raises:
            VprError: `out` is something else, or belongs to another method.
            ConfigError: a fast index of too few images.
        """
        folder = Path(out)
        records = photos if isinstance(photos, Records) else open_records(photos)
        settings_file.check_index(index, records, folder)
        is_map = settings_file.check_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / "lock"):
            if is_map and (folder / "store" / "manifest.json").exists():
                FeatureStore.open(folder / "store").check_identity(method.identity())
                built = cls.open(folder, method=method)
                if index is not None and index != built.settings["index"]:
                    built.settings = settings_file.write(folder, method, index)
            else:  # new, or killed before its first block
                kept = settings_file.read(folder)["index"] if is_map and index is None else index
                built = cls(
                    folder,
                    settings_file.write(folder, method, kept or "exact"),
                    FeatureStore.absent(folder / "store"),
                    method,
                )
            built._describe(records, streaming, progress, None if local is None else LocalCodec(local))
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
        settings = settings_file.read(folder)
        if not (folder / "store" / "manifest.json").exists():
            raise StoreError(f"{folder}: building this map was interrupted before its first photos; run build again")
        store = FeatureStore.open(folder / "store")
        described = settings["method"]
        if method is None:
            method = settings_file.load_described(described, folder, weights, device, precision)
        method = settings_file.as_built(method, described)
        store.check_identity(method.identity())
        return cls(folder, settings, store, method)

    def add(
        self, photos: str | Path | Records, streaming: Streaming | None = None, progress: Progress | None = None
    ) -> int:
        """Describe further photos; returns how many are new, changed, or back after they were removed.

        Raises:
            StoreError: the map is being written by somebody else.
            ImageError: an image cannot be read and `streaming.on_error` is `fail`.
        """
        records = photos if isinstance(photos, Records) else open_records(photos)
        with exclusive(self.folder / "lock"):
            built = self._describe(records, streaming, progress)
            back = set(built.rows.tolist()) & set(read_removed(self.folder))
            if back:
                write_removed(self.folder, set(read_removed(self.folder)) - back)
                self._forget()
        return built.described + len(back)

    def remove(self, names: Sequence[str]) -> int:
        """Take images out by name or wildcard (`2019/*`); files and features stay, the rows are marked.

        Raises:
            VprError: a name fits no image of the map.
        """
        with exclusive(self.folder / "lock"):
            self.store = FeatureStore.open(self.folder / "store")
            self._forget()
            rows = matching(names, self.store, np.flatnonzero(self.live), self.folder)
            write_removed(self.folder, {*self.removed, *rows})
            self._forget()
        return len(rows)

    def __len__(self) -> int:
        """Images that answer."""
        return int(self.live.sum())

    def __repr__(self) -> str:
        return f"Map({self.folder}, {len(self)} images, {self.method.name})"

    @cached_property
    def records(self) -> Records:
        """Every row's record, replaced and removed ones too, with latitude and longitude where they can be told."""
        return self.store.records().with_latlon()

    @cached_property
    def removed(self) -> list[int]:
        """Rows that were taken out."""
        return read_removed(self.folder)

    @cached_property
    def live(self) -> np.ndarray:
        """(N,) bool: rows that answer: not removed, and not replaced by a later row."""
        return live_rows(self.store, self.folder)

    @cached_property
    def vectors(self) -> Rows:
        """(N, E) what is searched: the rows of the store, or what a method that also reads texts makes of them."""
        return index_rows(self.method, self.store)

    @cached_property
    def index(self) -> Index:
        """The index over all rows: the fast one where it was asked for and covers them, else the exact one."""
        if self.settings["index"] == "fast":
            same_rows = self.store.journal.fingerprint
            fast = FastIndex.load(self.folder / "index", self.vectors, self.method.metric, same_rows)
            if fast is not None and len(fast) == len(self.store):
                return fast
        return exact_index(self.vectors, self.method.metric)

    @cached_property
    def answering(self) -> PartialIndex:
        """The index, of which live rows alone answer."""
        return PartialIndex(self.index, self.vectors, self.method.metric, self.live)

    @cached_property
    def captions(self) -> Captions:
        """The texts of its rows, to be searched by sentences."""
        return Captions(self.folder / "captions", self.store, self.records)

    def search(self, vectors: np.ndarray, k: int) -> Neighbours:
        """The k best live rows for (Q, D) query vectors; k is clipped to the number of live rows."""
        return self.answering.search(vectors, k)

    def locate(
        self,
        photo: Photo,
        top: int = 5,
        distinct_metres: float | None = None,
        rerank: int | None = None,
        text: str | None = None,
        reject: float | None = None,
    ) -> Location:
        """Where a photo was taken: the best `top` database images and the position they suggest.

        Args:
            photo: a path, the bytes of a file, a PIL image or a uint8 array.
            top: hits wanted.
            distinct_metres: only hits at least this far from every better one (`top` places, not `top` views of one).
            rerank: candidates that the method's second stage looks at again; hits come from these, with its scores.
            text: what the photo shows, for a map whose method joins photos and texts.
            reject: least confidence of an answer; less sure ones are marked as not known (`Location.known`).

        Raises:
            ImageError: the photo cannot be read.
            ConfigError: the method joins no texts with photos, or `reject` is no probability.
            NotAvailable: something is to be rejected, and the map has no calibration of such answers.
        """
        texts = None if text is None else [text]
        return self.locate_many([photo], top, distinct_metres, rerank=rerank, texts=texts, reject=reject)[0]

    def locate_many(
        self,
        photos: Sequence[Photo],
        top: int = 5,
        distinct_metres: float | None = None,
        streaming: Streaming | None = None,
        progress: Progress | None = None,
        rerank: int | None = None,
        texts: Sequence[str] | None = None,
        reject: float | None = None,
    ) -> list[Location]:
        """`locate` for several photos; where `streaming` skips unreadable ones, their location says so in `error`."""
        if reject is not None:
            check_reject(reject)
            if (why := self.why_unsure(top, rerank, texts is not None)) is not None:
                raise NotAvailable(f"no answer can be rejected: {why}")
        finder = self.finder(top, distinct_metres, rerank, texts is not None)
        located = finder.locate(photos, streaming or Streaming(), progress, texts)
        return located if reject is None else rejected_below(located, reject)

    def finder(
        self, top: int = 5, distinct_metres: float | None = None, rerank: int | None = None, texts: bool = False
    ) -> Finder:
        """What answers queries that want the same; `texts`: they come with texts; the others are those of `locate`."""
        second = None if rerank is None else SecondLook(self.method, self.store, max(rerank, top), self._second_look)
        self._second_look = second or self._second_look
        judge = None if self.why_unsure(top, rerank, texts) else self.calibration
        return Finder(self.method, self.search, self.store, len(self), top, distinct_metres, second, confidence=judge)

    @cached_property
    def calibration(self) -> Confidence | None:
        """What tells how sure answers are; None where the map was given nothing.

        Raises:
            StoreError: it is damaged, or of another method.
        """
        return calibrated.read(self.folder, self.method)

    def calibrate(self, confidence: Confidence | str | Path, overwrite: bool = False) -> None:
        """Keep a calibration in the map, so that its answers say how sure they are.

        Args:
            confidence: it, or the file that it was saved to.
            overwrite: replace one that is there.

        Raises:
            DataError: the file is no calibration.
            StoreError: it is for answers of another method.
        """
        given = confidence if isinstance(confidence, Confidence) else Confidence.load(confidence)
        with exclusive(self.folder / "lock"):
            calibrated.write(self.folder, given, self.method, overwrite)
        self._forget()

    def why_unsure(self, top: int = 5, rerank: int | None = None, texts: bool = False) -> str | None:
        """Why answers to such a question have no confidence; None where they have one. Arguments as of `locate`."""
        return calibrated.why_unsure(self.calibration, self.method, len(self), top, rerank, texts)

    def info(self) -> dict[str, Any]:
        """What the map holds, as plain data."""
        return map_facts.info(self)

    def check(self) -> list[str]:
        """What is wrong with the map, one sentence each: checksums, photos, index, calibration."""
        return map_facts.problems(self)

    def _describe(
        self,
        records: Records,
        streaming: Streaming | None,
        progress: Progress | None,
        local: LocalCodec | None = None,
    ) -> Built:
        """Describe into the store and bring the index up to date; the caller holds the lock."""
        options = streaming or Streaming(on_error="skip")
        if (self.folder / "store" / "manifest.json").exists():
            self.store = FeatureStore.open(self.folder / "store")  # others may have added since this map was opened
        if local is None and self.store.local_facts is not None:
            local = LocalCodec(self.store.local_facts["dtype"])
        built = describe_into(self.folder / "store", self.method, records, options, progress=progress, local=local)
        carry_removals(self.folder, built.store)
        self.store, self.built = built.store, built
        self._forget()
        if self.settings["index"] == "fast":
            FastIndex.update(self.folder / "index", self.vectors, self.method.metric, self.store.journal.fingerprint)
        return built

    def _forget(self) -> None:
        for name in _CACHED:
            self.__dict__.pop(name, None)
