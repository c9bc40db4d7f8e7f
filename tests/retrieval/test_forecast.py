"""A disk too small is said before anything is described: vectors, records and local features."""

from collections import namedtuple

import numpy as np
import pytest
import torch

from vprkit.data.benchmark import open_records
from vprkit.errors import StoreError
from vprkit.features import Features, LocalFeatures
from vprkit.method import Method
from vprkit.preprocessing import Preprocessing
from vprkit.retrieval.build import describe_into
from vprkit.retrieval.forecast import forecast
from vprkit.retrieval.local_codec import LocalCodec

KEEP = LocalCodec("float32")


class Dense(torch.nn.Module):
    """50 local features of 100 numbers beside a vector of 4."""

    def forward(self, images):
        count = len(images)
        return Features(torch.ones(count, 4), LocalFeatures(torch.ones(count, 50, 100), torch.full((count,), 50)))


@pytest.fixture
def photos(photo_set):
    return open_records(photo_set / "queries")


@pytest.fixture
def disk(monkeypatch):
    """Sets the bytes that are free."""
    usage = namedtuple("usage", "total used free")
    return lambda free: monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**9, 10**9 - free, free))


@pytest.fixture
def idle(monkeypatch):
    """Nothing can be described."""
    monkeypatch.setattr("vprkit.retrieval.build.describe_paths", None)


def test_vectors_are_counted_before_anything_is_described(tmp_path, photos, hog, disk, idle):
    disk(10**5)
    with pytest.raises(StoreError, match="describing 16 images of 2208 numbers needs about 0.0 GB"):
        describe_into(tmp_path / "store", hog, photos)


def test_local_features_are_counted_before_anything_is_described(tmp_path, photos, disk, idle):
    method = Method.from_module(Dense(), device="cpu")
    assert forecast(16, method, KEEP).size == 16 * (4 * 4 + 300 + 4 * 50 * 100)
    disk(16 * 10_000)
    with pytest.raises(StoreError, match="16 images of 4 numbers and 20,000 bytes of local features"):
        describe_into(tmp_path / "store", method, photos, local=KEEP)


def test_a_store_tells_what_its_next_images_take(tmp_path, photos, disk, monkeypatch):
    method = Method.from_module(Dense(), device="cpu")
    store = describe_into(tmp_path / "store", method, photos.take(np.arange(4)), local=KEEP).store
    monkeypatch.setattr(method, "describe_batch", None)
    disk(16 * 10_000)
    with pytest.raises(StoreError, match="12 images of 4 numbers and 20,000 bytes of local features"):
        describe_into(tmp_path / "store", method, photos, local=KEEP)
    assert forecast(12, method, None, store).local == 20_000


def test_local_features_of_images_of_their_own_size_are_counted_after_the_first_block(tmp_path, photos, disk):
    method = Method.from_module(Dense(), Preprocessing(fit="none"), device="cpu")
    assert forecast(16, method, KEEP).local is None
    disk(16 * 10_000)
    with pytest.raises(StoreError, match="16 images of 4 numbers and 20,000 bytes of local features"):
        describe_into(tmp_path / "store", method, photos, local=KEEP)
