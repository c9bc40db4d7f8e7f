import contextlib
import os

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from tests.conftest import picture
from vprkit.data import decoding, images
from vprkit.data.decoding import decode, open_image, read_file
from vprkit.data.layouts.exif import read_gps
from vprkit.errors import ConfigError, ImageError, PictureTooLarge, UnknownPicture
from vprkit.preprocessing import Preprocessing


def test_modes_become_rgb(tmp_path):
    rgb = Image.fromarray(picture(1))
    for mode in ("L", "RGBA", "P", "1", "CMYK", "LA"):
        path = tmp_path / f"{mode}.{'jpg' if mode == 'CMYK' else 'png'}"
        rgb.convert(mode).save(path)
        assert images.prepare(path, Preprocessing(size=(8, 8))).shape == (3, 8, 8)


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path):
    values = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    Image.fromarray(values).save(tmp_path / "deep.png")
    pixels = np.asarray(decode(tmp_path / "deep.png", "grey"))
    assert np.array_equal(pixels, (values >> 8).astype(np.uint8))


def test_exif_orientation_is_an_option(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(1, (10, 20))).save(tmp_path / "turned.jpg", exif=exif)
    assert decode(tmp_path / "turned.jpg").size == (20, 10)
    assert decode(tmp_path / "turned.jpg", exif_orientation=True).size == (10, 20)


def test_what_cannot_be_read_is_named(tmp_path):
    whole = tmp_path / "whole.jpg"
    Image.fromarray(picture(1, (200, 300))).save(whole)
    (tmp_path / "cut.jpg").write_bytes(whole.read_bytes()[:2000])
    (tmp_path / "text.jpg").write_text("<html>")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "script.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    for name in ("cut.jpg", "text.jpg", "empty.png", "script.eps", "gone.jpg"):
        with pytest.raises(ImageError, match=name) as caught:
            images.prepare(tmp_path / name, Preprocessing())
        assert caught.value.path.endswith(name)


def test_decompression_bombs_are_refused_before_decoding(tmp_path, monkeypatch):
    Image.new("RGB", (300, 300)).save(tmp_path / "large.png")
    monkeypatch.setattr(decoding, "MAX_PIXELS", 300 * 299)
    with pytest.raises(ImageError, match="300x300 is more than the limit"):
        decode(tmp_path / "large.png")


@pytest.mark.parametrize("engine", ["pil", "tensor", "tensor_antialias"])
def test_one_by_one_equals_batch(engine):
    preprocessing = Preprocessing(size=(20, 30), engine=engine)
    photos = [picture(seed, (40 + seed, 50)) for seed in range(4)]
    batch = images.finish(torch.stack([images.load(photo, preprocessing) for photo in photos]), preprocessing)
    for one, photo in zip(batch, photos, strict=True):
        assert torch.equal(one, images.prepare(photo, preprocessing))


def test_antialiasing_differs_where_it_should():
    photo = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    pil, plain, smooth = (
        images.prepare(photo, Preprocessing(size=(16, 16), engine=engine))
        for engine in ("pil", "tensor", "tensor_antialias")
    )
    assert (pil - smooth).abs().max() < 0.03  # one grey level
    assert (pil - plain).abs().max() > 0.5


@pytest.mark.parametrize(
    ("fit", "size", "given", "expected"),
    [
        ("stretch", (30, 40), (100, 200), (30, 40)),
        ("shorter", (30, 40), (100, 250), (30, 75)),
        ("shorter", (30, 30), (250, 100), (75, 30)),
        ("none", None, (100, 250), (100, 250)),
        ("central_crop", (30, 40), (100, 200), (30, 40)),
    ],
)
def test_sizes(fit, size, given, expected):
    assert images.prepare(picture(0, given), Preprocessing(size=size, fit=fit)).shape[1:] == expected


def test_multiples_of_a_patch():
    preprocessing = Preprocessing(size=None, fit="none", multiple=14)
    assert images.prepare(picture(0, (100, 250)), preprocessing).shape[1:] == (98, 252)


def test_central_crop_pads_the_line_that_rounding_lost():
    preprocessing = Preprocessing(size=(224, 224), fit="central_crop", engine="tensor", interpolation="nearest")
    for height in (107, 110, 142):
        assert images.prepare(picture(0, (height, height)), preprocessing).shape == (3, 224, 224)


def test_resize_requests():
    base = Preprocessing()
    assert base.resized("322").size == (322, 322)
    assert base.resized("480x640").size == (480, 640)
    assert (base.resized("shorter:480").fit, base.resized("shorter:480").size) == ("shorter", (480, 480))
    assert base.resized("none").fit == "none"
    for bad in ("big", "0", "10x", "1x2x3", "wide:3"):
        with pytest.raises(ConfigError, match="not readable"):
            base.resized(bad)


def test_preprocessing_travels():
    changed = Preprocessing(size=(10, 20), engine="tensor", exif_orientation=True)
    assert Preprocessing.from_dict(changed.to_dict()) == changed
    assert changed.fingerprint() != Preprocessing().fingerprint()
    with pytest.raises(ConfigError, match="unknown key 'preprocessing.sice'.*did you mean 'size'"):
        Preprocessing.from_dict({"sice": [1, 2]})


def test_buckets():
    shapes = [(3, 8, 8), (3, 9, 8), (3, 8, 8), (3, 8, 8)]
    assert list(images.buckets(shapes, 2)) == [[0, 2], [3], [1]]


def test_a_resize_that_explodes_is_refused(tmp_path):
    Image.new("L", (1, 20_000)).save(tmp_path / "thin.png")
    for preprocessing in (Preprocessing(size=(480, 480), fit="shorter"), Preprocessing(fit="central_crop")):
        with pytest.raises(ImageError, match=r"thin.png: 1x20000 would be resized to"):
            images.prepare(tmp_path / "thin.png", preprocessing)


@pytest.mark.filterwarnings("ignore:::PIL")
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP", "PPM"])
def test_damaged_files_never_raise_anything_else(tmp_path, form):
    rng = np.random.default_rng(0)
    path = tmp_path / "x"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(1)).save(path, format=form, **({} if form in ("BMP", "GIF", "PPM") else {"exif": exif}))
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(150):
        data = whole.copy()
        data[rng.integers(0, len(data), 3)] = rng.integers(0, 256, 3)
        for exif_orientation in (False, True):
            with contextlib.suppress(ImageError):
                decode(data[: rng.integers(1, len(data) + 1)].tobytes(), exif_orientation=exif_orientation)


def test_arrays_are_checked():
    for array in (np.zeros((4, 4, 3)), np.zeros((4, 4, 2), np.uint8), np.zeros(4, np.uint8)):
        with pytest.raises(ImageError, match="an array must be uint8"):
            decode(array)


@pytest.mark.parametrize(("engine", "seen"), [("pil", (30, 20)), ("tensor", (50, 40)), ("tensor_antialias", (50, 40))])
def test_a_transform_gets_the_8_bit_picture(engine, seen):
    """After the resize where that is 8-bit itself, before it elsewhere."""
    preprocessing, sizes = Preprocessing(size=(20, 30), engine=engine), []

    def negative(picture: Image.Image) -> Image.Image:
        sizes.append(picture.size)
        return ImageOps.invert(picture)

    photo = picture(1, (40, 50))
    found = images.load(photo, preprocessing, transform=negative)
    assert sizes == [seen]
    if engine == "pil":
        assert torch.equal(found, 255 - images.load(photo, preprocessing))
    else:
        assert torch.equal(found, images.load(255 - photo, preprocessing))
    assert torch.equal(
        images.load(photo, preprocessing, transform=lambda same: same), images.load(photo, preprocessing)
    )


def test_finish_in_two_steps_is_finish():
    preprocessing = Preprocessing(size=(20, 30))
    batch = torch.stack([images.load(picture(seed, (40, 50)), preprocessing) for seed in range(3)])
    unit = images.unit(batch)
    assert unit.dtype == torch.float32 and torch.equal(unit, batch / 255)
    before = unit.clone()
    assert torch.equal(images.normalise(unit, preprocessing), images.finish(batch, preprocessing))
    assert torch.equal(unit, before)
    with pytest.raises(ConfigError, match="engine=pil"):
        images.unit(unit)


def test_a_lower_limit_of_pixels_is_kept_and_kinds_of_refusals_are_told(tmp_path):
    file = tmp_path / "photo.png"
    Image.fromarray(picture(1, (40, 50))).save(file)
    open_image(file, most=2000).close()
    with pytest.raises(PictureTooLarge, match=r"50x40 is more than the limit of 0.001999 million"):
        open_image(file, most=1999)
    with pytest.raises(UnknownPicture, match="the upload: not a picture"):
        open_image(b"no picture", "the upload")
    with pytest.raises(PictureTooLarge, match="more pixels than any photo has"):
        open_image(b"P6 60000 60000 255\n", most=10**12)


def test_a_pipe_is_no_photo(tmp_path):
    """Opening one would wait for ever."""
    os.mkfifo(tmp_path / "a.jpg")
    for read in (read_file, open_image):
        with pytest.raises(ImageError, match="a.jpg: is no regular file"):
            read(tmp_path / "a.jpg")
    assert read_gps(tmp_path / "a.jpg") == {}


def test_mean_and_deviation_stay_usable_in_training_after_describing():
    """They are sent to a device once, whoever asks first."""
    preprocessing = Preprocessing(mean=(0.1, 0.2, 0.3), std=(0.7, 0.8, 0.9))
    with torch.inference_mode():
        images.finish(torch.zeros(1, 3, 2, 2, dtype=torch.uint8), preprocessing)
    learnt = torch.ones(1, 3, 2, 2, requires_grad=True)
    images.normalise(learnt, preprocessing).sum().backward()
    torch.testing.assert_close(learnt.grad[0, :, 0, 0], 1 / torch.tensor(preprocessing.std))
