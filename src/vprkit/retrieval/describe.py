"""Streaming description: decode in threads while the network works, with memory bounded by a block."""

import itertools
import math
import os
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from vprkit import device as devices
from vprkit.data import images as pictures
from vprkit.data.decoding import read_file
from vprkit.errors import ConfigError, DataError, ImageError, VprError
from vprkit.features import Features
from vprkit.method import Method, Modality
from vprkit.timing import Timings

BLOCK = 256
"""Images per block: what a kill can cost, and what memory follows."""


@dataclass(frozen=True)
class Streaming:
    """How images are read and batched; none of it changes the numbers.

    Attributes:
        batch_size: images per forward pass.
        workers: decoding threads (None: one per core, at most 16).
        on_error: `fail` at the first unreadable image, or `skip` it and report it.
    """

    batch_size: int = 32
    workers: int | None = None
    on_error: str = "fail"

    def __post_init__(self) -> None:
        if self.on_error not in ("fail", "skip"):
            raise ConfigError(f"on_error must be 'fail' or 'skip', got '{self.on_error}'")
        if self.batch_size < 1 or (self.workers is not None and self.workers < 1):
            raise ConfigError("batch_size and workers must be at least 1")

    @property
    def threads(self) -> int:
        return self.workers or min(16, os.cpu_count() or 1)


@dataclass(frozen=True)
class Described:
    """A block of described images.

    Attributes:
        rows: positions in the input list, ascending; skipped images are missing.
        checksums: CRC-32 of the files' content, in that order.
        features: their features, on the CPU, in that order.
        skipped: (position, why) of images that could not be read.
    """

    rows: list[int]
    checksums: list[int]
    features: Features
    skipped: list[tuple[int, str]]


class _Loaded(NamedTuple):
    """An image as `images.load` gives it, None where only texts are read, and the CRC-32 of its file."""

    image: Tensor | None
    checksum: int

    @property
    def shape(self) -> tuple[int, ...]:
        return () if self.image is None else tuple(self.image.shape)


@dataclass
class _Block:
    """Features of a block while they come in, bucket by bucket."""

    stop: int
    texts: Sequence[str] | None = None
    waiting: dict[tuple[int, ...], list[tuple[int, "_Loaded"]]] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)
    checksums: list[int] = field(default_factory=list)
    parts: list[Features] = field(default_factory=list)
    queued: deque[tuple[Features, devices.Stretch]] = field(default_factory=deque)
    skipped: list[tuple[int, str]] = field(default_factory=list)


def describe_paths(
    method: Method,
    paths: Sequence[Path],
    streaming: Streaming | None = None,
    *,
    timings: Timings | None = None,
    progress: Callable[[int], None] | None = None,
    block: int | None = None,
    texts: Sequence[str] | None = None,
    reads: frozenset[Modality] | None = None,
) -> Iterator[Described]:
    """Describe photos block by block, in input order; images of different sizes are bucketed inside a block.

    Args:
        method: what describes them; one that reads no images opens no file.
        paths: the photos.
        streaming: batching and threads.
        timings: receives `decode` (per image, in its thread) and `describe` (per image, the network alone).
        progress: called with the number of images done since the last call.
        block: images per block; None: about `BLOCK`, whole batches.
        texts: of the photos, for a method that reads them.
        reads: what of them is described; None: what the method reads of a database record.

    Raises:
        ImageError: an image cannot be read and `on_error` is `fail`.
        DataError: the method reads texts, and there are none.
    """
    reads = method.reads() if reads is None else reads
    if "text" in reads and texts is None:
        raise DataError(f"method '{method.name}' reads texts, but these images have none; give a CSV of descriptions, "
                        "or a set that has them")  # fmt: skip
    read_texts = texts if "text" in reads else None
    options, clock = streaming or Streaming(), timings or Timings()
    # One small image first, on one thread: the math library chooses its code paths on first use, and two threads that
    # do so at once were seen to round the first batch differently.
    _ = method.dimension
    devices.synchronize(method.device)  # else the first batch's time holds what this left in the queue
    block = whole_batches(BLOCK, options.batch_size) if block is None else block
    current, finished = _Block(min(block, len(paths)), read_texts), deque[_Block]()
    beside = devices.computes_beside(method.device)
    with ThreadPoolExecutor(options.threads, thread_name_prefix="decode") as pool:
        try:
            loading = _decoded(method, paths, options, clock, pool) if "image" in reads else _unopened(len(paths))
            for row, loaded in loading:
                if isinstance(loaded, ImageError) and options.on_error == "fail":
                    yield from (_described(done, method, clock) for done in finished)
                    raise loaded
                _take(current, row, loaded, method, options, clock)
                if progress is not None:
                    progress(1)
                if row + 1 == current.stop:
                    _queue_rest(current, method, clock)
                    finished.append(current)
                    current = _Block(min(current.stop + block, len(paths)), read_texts)
                # A GPU must not wait while a block is written down: it first gets a batch of the next one.
                while finished and (not beside or len(finished) > 1 or current.queued or row + 1 == len(paths)):
                    yield _described(finished.popleft(), method, clock)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def whole_batches(images: int, batch_size: int) -> int:
    """At least so many images, in batches of this size."""
    return math.ceil(images / batch_size) * batch_size


def _decoded(
    method: Method, paths: Sequence[Path], options: Streaming, clock: Timings, pool: ThreadPoolExecutor
) -> Iterator[tuple[int, _Loaded | ImageError]]:
    """Images in order, decoded ahead by a bounded number."""

    def load(path: Path) -> _Loaded | ImageError:
        start = time.perf_counter()
        try:
            data = read_file(path)
            return _Loaded(pictures.load(data, method.preprocessing, str(path)), zlib.crc32(data))
        except ImageError as error:
            return error
        finally:
            clock.add("decode", time.perf_counter() - start)

    # Beside a GPU, decoding goes on while the network works and while blocks are written down. On a CPU both want the
    # same cores, and threads that wait for each other inside the network's products cost more than taking turns: decode
    # a stretch, then describe it.
    take_turns = not devices.computes_beside(method.device)
    window = (2 if take_turns else 4) * options.batch_size + options.threads
    ahead: deque[Future[_Loaded | ImageError]] = deque()
    upcoming = iter(paths)
    for row in range(len(paths)):
        if not (take_turns and ahead):
            ahead.extend(pool.submit(load, path) for path in itertools.islice(upcoming, window - len(ahead)))
            if take_turns:
                wait(ahead)
        yield row, ahead.popleft().result()


def _unopened(count: int) -> Iterator[tuple[int, _Loaded]]:
    """As `_decoded`, for a method that reads texts alone."""
    return ((row, _Loaded(None, 0)) for row in range(count))


def _take(
    block: _Block, row: int, loaded: _Loaded | ImageError, method: Method, options: Streaming, clock: Timings
) -> None:
    if isinstance(loaded, ImageError):
        block.skipped.append((row, str(loaded)))
        return
    bucket = block.waiting.setdefault(loaded.shape, [])
    bucket.append((row, loaded))
    if len(bucket) == options.batch_size:
        _describe(block, block.waiting.pop(loaded.shape), method, clock)


def _describe(block: _Block, bucket: list[tuple[int, _Loaded]], method: Method, clock: Timings) -> None:
    """Queue a batch, and then take what the one before came to: a GPU always has the next one to go on with."""
    stretch = devices.Stretch(method.device)
    images = [loaded.image for _, loaded in bucket if loaded.image is not None]
    batch = None
    if images:
        batch = pictures.finish(devices.uploaded(images, method.device), method.preprocessing)
    texts = [] if block.texts is None else [[block.texts[row] for row, _ in bucket]]
    features = method.describe_batch(batch, *texts).map(devices.downloading)
    stretch.end()
    block.rows += [row for row, _ in bucket]
    block.checksums += [loaded.checksum for _, loaded in bucket]
    block.queued.append((features, stretch))
    _collect(block, clock, 1 if devices.computes_beside(method.device) else 0)


def _collect(block: _Block, clock: Timings, left: int = 0) -> None:
    """Take the features of queued batches but the last `left`."""
    while len(block.queued) > left:
        features, stretch = block.queued.popleft()
        clock.add("describe", stretch.seconds(), len(features))
        # a copy: what came from a GPU lies in memory that is locked for it, of which there should be little
        block.parts.append(features.map(torch.clone) if devices.computes_beside(stretch.device) else features)


def _queue_rest(block: _Block, method: Method, clock: Timings) -> None:
    """Batches that were not filled."""
    for bucket in block.waiting.values():
        _describe(block, bucket, method, clock)
    block.waiting.clear()


def _described(block: _Block, method: Method, clock: Timings) -> Described:
    """What all batches of a block came to, once they are done."""
    _collect(block, clock)
    if not block.parts:
        return Described([], [], Features(torch.zeros(0, 0)), block.skipped)
    order = sorted(range(len(block.rows)), key=block.rows.__getitem__)
    lengths = {part.global_.shape[1] for part in block.parts}
    if len(lengths) > 1:
        raise VprError(
            f"method '{method.name}' gives vectors of {', '.join(map(str, sorted(lengths)))} numbers for images of "
            "different sizes, which cannot be compared; give all images one size, such as --resize 224"
        )
    features = Features.cat(block.parts)[order]
    rows, checksums = ([column[position] for position in order] for column in (block.rows, block.checksums))
    return Described(rows, checksums, features, block.skipped)
