"""Copies with a position: of whom, where, and never over a photo."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from tests.conftest import picture
from vprkit.data.folders import photos_below
from vprkit.data.layouts.exif import read_gps
from vprkit.errors import ConfigError, VprError
from vprkit.retrieval.gps_copies import write_gps_copies
from vprkit.retrieval.location import Estimate, Location

GUESS = Estimate(46.2, 7.3, 4.5, 3)


def located(path, **changes):
    return dataclasses.replace(Location(str(path), (), GUESS), **changes)


@pytest.fixture
def photos(tmp_path):
    """Photos in folders, two of one name."""
    root = tmp_path / "photos"
    for name in ("a.jpg", "b/a.jpg", "b/c.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(len(name))).save(root / name)
    return root


def test_every_located_photo_has_a_copy_with_its_position(photos, tmp_path):
    before = {path: path.read_bytes() for path in photos_below(photos)}
    copies = write_gps_copies([located(path) for path in before], tmp_path / "out", [photos])
    assert [copy.relative_to(tmp_path / "out").as_posix() for _, copy in copies.written] == [
        "a.jpg",
        "b/a.jpg",
        "b/c.png",
    ]
    for photo, copy in copies.written:
        assert read_gps(copy)["latitude"] == pytest.approx(46.2)
        assert np.array_equal(np.asarray(Image.open(photo)), np.asarray(Image.open(copy)))
        assert photo.stat().st_mtime == pytest.approx(copy.stat().st_mtime, abs=1e-3)
    assert {path: path.read_bytes() for path in photos_below(photos)} == before


def test_names_that_meet_are_numbered(photos, tmp_path):
    both = [located(photos / "a.jpg"), located(photos / "b" / "a.jpg"), located(photos / "a.jpg")]
    copies = write_gps_copies(both, tmp_path / "out")  # no root: bare names
    assert [copy.name for _, copy in copies.written] == ["a.jpg", "a-2.jpg", "a-3.jpg"]


def test_who_has_no_copy_is_listed_with_a_reason(photos, tmp_path):
    first = write_gps_copies([located(photos / "a.jpg")], tmp_path / "one").written[0][1]
    (photos / "d.gif").write_bytes(b"GIF89a")
    asked = [
        located(photos / "a.jpg", known=False),
        located(photos / "b" / "c.png", estimate=None),
        located(photos / "b" / "a.jpg", estimate=None, error="it cannot be read"),
        located(first),
        located(photos / "d.gif"),
    ]
    copies = write_gps_copies(asked, tmp_path / "two")
    reasons = [why for _, why in copies.left_out]
    assert not copies.written and not (tmp_path / "two").exists()
    for why, words in zip(
        reasons, ("confidence", "none of its hits", "cannot be read", "already", "alone"), strict=True
    ):
        assert words in why
    moved = located(first, estimate=Estimate(-1.0, -2.0, 0.0, 1))
    copy = write_gps_copies([moved], tmp_path / "three", overwrite_gps=True).written[0][1]
    assert read_gps(copy)["longitude"] == pytest.approx(-2.0)


def test_one_view_says_nothing_of_its_error(photos, tmp_path):
    lone = located(photos / "a.jpg", estimate=Estimate(1.0, 2.0, 0.0, 1))
    copies = write_gps_copies([lone, located(photos / "b" / "a.jpg")], tmp_path / "out")
    fields = [Image.open(copy).getexif().get_ifd(0x8825) for _, copy in copies.written]
    assert 31 not in fields[0] and float(fields[1][31]) == pytest.approx(4.5)


def test_no_photo_is_written_over(photos, tmp_path):
    with pytest.raises(ConfigError, match="is one of the photos"):
        write_gps_copies([located(photos / "a.jpg")], photos, [photos], overwrite=True)
    write_gps_copies([located(photos / "a.jpg")], tmp_path / "out", [photos])
    with pytest.raises(VprError, match="exists already"):
        write_gps_copies([located(photos / "a.jpg")], tmp_path / "out", [photos])
    write_gps_copies([located(photos / "a.jpg")], tmp_path / "out", [photos], overwrite=True)


def test_copies_stay_in_their_folder(photos, tmp_path):
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b").symlink_to(outside)
    with pytest.raises(ConfigError, match="leads out of"):
        write_gps_copies([located(photos / "b" / "c.png")], tmp_path / "out", [photos], overwrite=True)
    odd = located(photos / "b" / ".." / "b" / "c.png")
    written = write_gps_copies([odd], tmp_path / "odd", [photos]).written
    assert [copy for _, copy in written] == [tmp_path / "odd" / "c.png"]
    assert not list(outside.iterdir())
