"""What a result says of photos that are to be turned, and of networks that nobody trained."""

import dataclasses

from PIL import Image

import vprkit
from tests.training.small import copied
from vprkit.report.groups import labels


def told_of(method, benchmark):
    return [notice for notice in vprkit.evaluate(method, benchmark).notices if "EXIF" in notice]


def test_photos_that_are_not_turned_as_their_exif_block_says_are_told(shared_set, tmp_path, thumbnail):
    turned = copied(shared_set, tmp_path / "set")
    assert told_of(thumbnail, turned) == []
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(turned.queries.path(5)) as photo:
        photo.load()
        photo.save(turned.queries.path(5), exif=exif)
    (told,) = told_of(thumbnail, turned)
    assert told.startswith("some photos (queries) are to be turned") and "--exif-orientation" in told
    turning = vprkit.load_method("thumbnail", device="cpu")
    turning.preprocessing = dataclasses.replace(turning.preprocessing, exif_orientation=True)
    assert told_of(turning, turned) == []


def test_random_weights_are_called_that(shared_set):
    method = vprkit.load_method("dinov2", "random:1", device="cpu", size="S", depth=1, table_size=28, resize=28)
    result = vprkit.evaluate(method, vprkit.open_benchmark(shared_set))
    assert any("weights are random" in notice for notice in result.notices)
    assert labels([result]) == (f"{result.method} (random weights)",)
