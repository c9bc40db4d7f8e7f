"""Describing beside an accelerator: decoding goes on while the network works, and results come one batch later."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from vprkit import device as devices
from vprkit.data import images
from vprkit.errors import ImageError
from vprkit.method import Method
from vprkit.preprocessing import Preprocessing
from vprkit.retrieval import describe
from vprkit.retrieval.describe import Streaming, describe_paths
from vprkit.timing import Timings

PATIENCE = 30
"""Seconds after which a test gives up waiting."""


class Mean(nn.Module):
    """Mean colours, and what is to be done before."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile = lambda: None

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > 1:
            self.meanwhile()
        return images.mean((2, 3))


@pytest.fixture
def method() -> Method:
    return Method.from_module(Mean(), Preprocessing(size=(8, 8)), device="cpu")


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(4)
    made = []
    for number in range(23):
        size = (16, 12) if number % 5 else (12, 16)
        path = tmp_path / f"{number:02}.png"
        Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(path)
        made.append(path)
    return made


def test_photos_are_decoded_while_the_network_works(
    method: Method, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    working, decoded, load = threading.Event(), threading.Event(), images.load

    def slow(data: bytes, preprocessing: Preprocessing, name: str) -> Tensor:
        if Path(name).stem >= "04":  # behind the first batch
            assert working.wait(PATIENCE), "the network does not work until everything is decoded"
            decoded.set()
        return load(data, preprocessing, name)

    def meanwhile() -> None:
        working.set()
        assert decoded.wait(PATIENCE), "nothing is decoded while the network works"

    monkeypatch.setattr(devices, "computes_beside", lambda device: True)
    monkeypatch.setattr(images, "load", slow)
    method.network.meanwhile = meanwhile  # type: ignore[assignment]
    (block,) = describe_paths(method, paths, Streaming(batch_size=4, workers=2))
    assert block.rows == list(range(23))


@pytest.mark.parametrize(
    "how", [Preprocessing(size=(8, 8)), Preprocessing(size=None, fit="none")], ids=["one-size", "own-sizes"]
)
def test_results_are_those_of_taking_turns(
    paths: list[Path], how: Preprocessing, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = Method.from_module(Mean(), how, device="cpu")
    clocks = (Timings(), Timings())
    paths[6].write_bytes(b"no photo")
    streaming = Streaming(batch_size=4, on_error="skip")
    turns = list(describe_paths(method, paths, streaming, timings=clocks[0], block=9))
    monkeypatch.setattr(devices, "computes_beside", lambda device: True)
    beside = list(describe_paths(method, paths, streaming, timings=clocks[1], block=9))
    for one, other in zip(turns, beside, strict=True):
        assert one.rows == other.rows and one.checksums == other.checksums and one.skipped == other.skipped
        assert torch.equal(one.features.global_, other.features.global_)
    assert [clock.summary()["describe"]["items"] for clock in clocks] == [22, 22]


def test_the_next_batch_is_queued_before_a_block_is_handed_over(
    method: Method, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    method.network.meanwhile = lambda: batches.append(1)  # type: ignore[assignment]
    monkeypatch.setattr(devices, "computes_beside", lambda device: True)
    square = [path for number, path in enumerate(paths) if number % 5]  # 18 photos of one size
    queued = [len(batches) for _ in describe_paths(method, square, Streaming(batch_size=2), block=6)]
    assert queued == [4, 7, 9]
    monkeypatch.setattr(devices, "computes_beside", lambda device: False)
    batches.clear()
    queued = [len(batches) for _ in describe_paths(method, square, Streaming(batch_size=2), block=6)]
    assert queued == [3, 6, 9]


def test_a_finished_block_is_handed_over_before_an_unreadable_photo_ends_the_work(
    method: Method, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "computes_beside", lambda device: True)
    paths[12].write_bytes(b"no photo")
    blocks = describe_paths(method, paths, Streaming(batch_size=8), block=12)
    assert next(blocks).rows == list(range(12))
    with pytest.raises(ImageError, match=r"12\.png"):
        next(blocks)


@pytest.mark.parametrize("batch", [3, 10, 100])
def test_batches_are_as_large_as_asked_whatever_the_block(
    paths: list[Path], batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    whole = [path for number, path in enumerate(paths) if number % 5]

    class Counting(Mean):
        def forward(self, images: Tensor) -> Tensor:
            seen.append(len(images))
            return super().forward(images)

    method = Method.from_module(Counting(), Preprocessing(size=(8, 8)), device="cpu")
    monkeypatch.setattr(describe, "BLOCK", 7)
    blocks = list(describe_paths(method, whole, Streaming(batch_size=batch)))
    assert seen[1:] == [min(batch, 18 - start) for start in range(0, 18, batch)]  # after one that tells the dimension
    assert [row for block in blocks for row in block.rows] == list(range(18))
