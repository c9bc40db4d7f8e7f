"""A map that is being served: what the routes ask, whatever protocol they speak."""

import asyncio
import functools
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import numpy as np
from PIL import Image

import vprkit
from vprkit import extras
from vprkit.backbones.bert_tokens import minilm_folder
from vprkit.data.columns import StringColumn
from vprkit.data.images import prepare
from vprkit.errors import ConfigError, NotAvailable
from vprkit.method import IMAGES, TEXTS
from vprkit.retrieval.map import Map
from vprkit.serve import answers, uploads
from vprkit.serve.answering import Answering
from vprkit.serve.following import Following, ready
from vprkit.serve.gallery import Thumbnails, photo_of, record_of
from vprkit.serve.guard import Traffic
from vprkit.serve.metrics import Metrics
from vprkit.serve.points import points_json
from vprkit.serve.questions import (
    LocateFields,
    Matched,
    MatchFields,
    MatchQuestion,
    PhotoQuestion,
    SearchFields,
    TextQuestion,
    reads_both,
)
from vprkit.serve.refusals import Refusal
from vprkit.serve.settings import MEGA, ServeSettings

DECODING_THREADS = 2
"""Each holds one photo in full size."""

Made = TypeVar("Made")


class Service:
    """Answers questions about one map.

    Args:
        place_map: opened.
        settings: limits and thresholds.

    Raises:
        ConfigError: answers are to be rejected, and photos' answers have no confidence.
        MissingExtra: a package of the extra `serve` is not installed.
    """

    def __init__(self, place_map: Map, settings: ServeSettings) -> None:
        for package in extras.EXTRAS["serve"]:
            extras.require("serve", package)
        if settings.reject is not None and (why := place_map.why_unsure()) is not None:
            raise ConfigError(f"no answer can be rejected: {why}")
        self.settings = settings
        self.traffic = Traffic(settings.limits.queue)
        self.metrics = Metrics()
        self._following = Following(ready(place_map))
        self._thumbnails = Thumbnails(int(settings.limits.thumbnails_mb * MEGA))
        self._threads = ThreadPoolExecutor(DECODING_THREADS, thread_name_prefix="decode")
        self._warm_up()
        self._answering = Answering(self._following.latest, settings.limits, self.metrics.batch)
        self.metrics.watch(
            lambda: len(self._answering), lambda: self.traffic.requests, lambda: len(self._following.current)
        )

    async def locate(self, photo: bytes, values: Mapping[str, str]) -> answers.LocateAnswer:
        """Where a photo was taken.

        Raises:
            Refusal: the map cannot be asked so, or not now.
            ImageError: the photo cannot be read.
        """
        fields = uploads.fields_of(LocateFields, values)
        fields.check(self.settings.limits)
        place_map = await self._aside(self._following.latest)
        _check_asked(place_map, fields)
        start = time.perf_counter()
        pixels, preprocessing = self.settings.limits.pixels, place_map.method.preprocessing
        tensor = await self._aside(partial(uploads.prepared, photo, preprocessing, pixels))
        decoded = time.perf_counter() - start
        answered = await self._answering.ask(PhotoQuestion(tensor, fields))
        return answers.locate_answer(answered, decoded, self.settings.reject)

    async def search(self, fields: SearchFields) -> answers.LocateAnswer:
        """Where it looks as a sentence says.

        Raises:
            Refusal: the map has no texts to search, or cannot be asked now.
            ConfigError: the fields contradict each other.
        """
        fields.check(self.settings.limits)
        place_map = await self._aside(self._following.latest)
        if not abilities_of(place_map).text:
            raise Refusal(422, f"this map is not searched by sentences: {_why_no_texts(place_map)}")
        question = TextQuestion(fields)
        _ = question.only  # says what is wrong with it
        return answers.locate_answer(await self._answering.ask(question), 0.0, self.settings.reject)

    async def matches(self, photo: bytes, values: Mapping[str, str]) -> Matched:
        """A picture of what the method's second stage matches between a photo and a record.

        Raises:
            Refusal: the method matches no points, or there is no such record.
            ImageError: a photo cannot be read.
        """
        row = uploads.fields_of(MatchFields, values).id
        place_map = await self._aside(self._following.latest)
        record_of(place_map, row)
        if not abilities_of(place_map).matches:
            raise Refusal(422, f"method '{place_map.method.name}' matches no points; there is no picture of matches")
        first, second = await self._aside(partial(self._both, place_map, photo, row))
        answered = await self._answering.ask(MatchQuestion(first, second))
        matched: Matched = answered.answer
        return matched

    def record(self, row: int) -> answers.RecordAnswer:
        """What the map knows of a record.

        Raises:
            Refusal: there is none.
        """
        place_map = self._following.latest()
        record = record_of(place_map, row)
        return answers.record_answer(row, place_map.store.names[row], record)

    async def thumbnail(self, row: int, size: int) -> bytes:
        """A small picture of a record, JPEG.

        Raises:
            Refusal: there is no such record, or its photo is gone.
        """
        return await self._aside(lambda: self._thumbnails.of(self._following.latest(), row, size))

    async def points(self) -> bytes:
        """Where the photos are, as JSON; see `vprkit.serve.points`."""
        return await self._aside(lambda: points_json(self._following.latest(), self.settings.limits.points))

    def about(self) -> answers.AboutAnswer:
        """The map, and what it can be asked."""
        place_map, limits, tiles = self._following.latest(), self.settings.limits, self.settings.tiles
        return answers.AboutAnswer(
            place_map.folder.resolve().name,
            place_map.method.name,
            len(place_map),
            int((place_map.live & np.isfinite(place_map.records.latitude)).sum()),
            abilities_of(place_map),
            answers.LimitsAnswer(
                limits.upload_bytes, limits.pixels, limits.seconds, limits.top, limits.rerank, limits.text
            ),
            None if tiles is None else answers.TilesAnswer(tiles.url, tiles.attribution),
            self.settings.reject,
            vprkit.__version__,
        )

    def health(self) -> answers.HealthAnswer:
        """Whether it takes questions."""
        return answers.HealthAnswer("stopping" if self.traffic.stopping else "ready", len(self._answering))

    def close(self) -> None:
        """Answer nothing further."""
        self._answering.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _both(self, place_map: Map, photo: bytes, row: int) -> tuple[Image.Image, Image.Image]:
        preprocessing = place_map.method.preprocessing
        return uploads.upright(photo, preprocessing, self.settings.limits.pixels), photo_of(place_map, row)

    async def _aside(self, work: Callable[[], Made]) -> Made:
        """Done by a thread of those that decode."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _warm_up(self) -> None:
        """One question of every kind before the first client asks: what is loaded late is loaded now.

        The first forward pass also runs alone: the math library chooses its code paths on first use.
        """
        place_map = self._following.current
        can = abilities_of(place_map)
        if can.photo and len(place_map):
            grey = prepare(Image.new("RGB", (64, 64), "grey"), place_map.method.preprocessing)
            PhotoQuestion.answers(place_map, [PhotoQuestion(grey, LocateFields())])
        if can.text:
            TextQuestion.answers(place_map, [TextQuestion(SearchFields("a house"))])


@functools.lru_cache(maxsize=2)
def abilities_of(place_map: Map) -> answers.AbilitiesAnswer:
    """What a map can be asked, with the packages that are installed."""
    method = place_map.method
    reads: Any = method.reads("query")
    return answers.AbilitiesAnswer(
        photo=bool(reads & IMAGES),
        text=reads == TEXTS or (_has_captions(place_map) and _reads_captions()),
        photo_and_text=reads_both(place_map),
        rerank=method.reranker is not None,
        matches=hasattr(method.reranker, "matches"),
    )


def _check_asked(place_map: Map, fields: LocateFields) -> None:
    name, can = place_map.method.name, abilities_of(place_map)
    if not can.photo:
        raise Refusal(422, f"method '{name}' looks for sentences, not for photos; POST /search takes them")
    if fields.text and not can.photo_and_text:
        raise Refusal(422, f"method '{name}' does not join a text with a photo; leave the text out")
    if fields.rerank is not None and not can.rerank:
        raise Refusal(422, f"method '{name}' has no second stage; leave rerank out")


def _why_no_texts(place_map: Map) -> str:
    if not _has_captions(place_map):
        return "its photos have no captions; 'vpr map build --texts FILE' brings them"
    return "its photos have captions, but the extra 'text', which reads them, is not installed here"


def _has_captions(place_map: Map) -> bool:
    captions = place_map.records.texts.get("text", StringColumn.blank(len(place_map.records)))
    return bool((place_map.live & (np.diff(captions.offsets) > 0)).any())


def _reads_captions() -> bool:
    """The default sentence encoder is here."""
    try:
        return minilm_folder().is_dir()
    except NotAvailable:
        return False
