"""Positions written into photos: they are read back, and nothing else has changed."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image
from PIL.ExifTags import GPS, IFD, Base

from tests.conftest import picture
from vprkit.data.exif import Fix, tiff, with_position
from vprkit.data.layouts.exif import read_gps
from vprkit.errors import DataError

FIX = Fix(46.2332999, 7.3612001, 12.34)
SOUTH = Fix(-33.8567844, -151.2152967)
MAKER = b"Maker\0" + bytes(range(200))
XMP = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>kept</x:xmpmeta>"


def exif(gps=None):
    block = Image.Exif()
    block[Base.Make.value] = "Camera & Co, of a long street"
    block[Base.Orientation.value] = 6
    block.get_ifd(IFD.Exif)[Base.DateTimeOriginal.value] = "2024:05:01 10:20:30"
    block.get_ifd(IFD.Exif)[Base.MakerNote.value] = MAKER
    if gps:
        block.get_ifd(IFD.GPSInfo).update(gps)
    return block


def saved(form, mode="RGB", **options):
    pixels = picture(5, (40, 56))
    image = Image.fromarray(pixels).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(pixels[..., 0]))
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def pixels_of(photo):
    with Image.open(io.BytesIO(photo)) as image:
        return [np.asarray(frame.copy()) for frame in frames(image)]


def frames(image):
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        yield image


PHOTOS = {
    "jpeg": saved("JPEG"),
    "jpeg-exif": saved("JPEG", exif=exif()),
    "jpeg-progressive": saved("JPEG", progressive=True, exif=exif(), icc_profile=b"p" * 300),
    "jpeg-cmyk": saved("JPEG", "CMYK"),
    "png": saved("PNG"),
    "png-exif": saved("PNG", "RGBA", exif=exif()),
    "png-palette": saved("PNG", "P"),
    "webp": saved("WEBP"),
    "webp-lossless-alpha": saved("WEBP", "RGBA", lossless=True),
    "webp-exif": saved("WEBP", exif=exif(), xmp=XMP),
    "tiff": saved("TIFF"),
    "tiff-pages": saved("TIFF", save_all=True, append_images=[Image.fromarray(picture(6))], compression="tiff_deflate"),
}


@pytest.mark.parametrize("fix", [FIX, SOUTH], ids=["north-east", "south-west"])
@pytest.mark.parametrize("name", PHOTOS)
def test_positions_are_read_back_and_pixels_are_the_same(name, fix, tmp_path):
    photo = with_position(PHOTOS[name], fix)
    (tmp_path / "photo").write_bytes(photo)
    found = read_gps(tmp_path / "photo")
    assert (found["latitude"], found["longitude"]) == (
        pytest.approx(fix.latitude, abs=2e-8), pytest.approx(fix.longitude, abs=2e-8))  # fmt: skip
    before, after = pixels_of(PHOTOS[name]), pixels_of(photo)
    assert len(before) == len(after) and all(map(np.array_equal, before, after))
    with Image.open(io.BytesIO(photo)) as image:
        fields = image.getexif().get_ifd(IFD.GPSInfo)
    assert fields[GPS.GPSMapDatum] == "WGS-84" and b"vprkit" in fields[GPS.GPSProcessingMethod]
    assert fields[GPS.GPSVersionID] == b"\x02\x03\x00\x00"
    if fix.error_m is None:
        assert GPS.GPSHPositioningError not in fields
    else:
        assert float(fields[GPS.GPSHPositioningError]) == pytest.approx(fix.error_m)


@pytest.mark.parametrize("name", ["jpeg-exif", "jpeg-progressive", "png-exif", "webp-exif"])
def test_other_exif_stays(name):
    with Image.open(io.BytesIO(with_position(PHOTOS[name], FIX))) as image:
        block = image.getexif()
    details = block.get_ifd(IFD.Exif)
    assert block[Base.Make] == "Camera & Co, of a long street" and block[Base.Orientation] == 6
    assert details[Base.DateTimeOriginal] == "2024:05:01 10:20:30" and details[Base.MakerNote] == MAKER


def test_bytes_of_an_exif_block_stay_where_they_were():
    """Maker notes refer to places in the block, so it may only grow at its end."""
    photo = PHOTOS["jpeg-exif"]
    start = photo.index(b"Exif\0\0") + 6
    size = struct.unpack_from(">H", photo, start - 8)[0] - 8
    before, changed = photo[start : start + size], with_position(photo, FIX)
    at = changed.index(b"Exif\0\0") + 6
    assert changed[at : at + 4] == before[:4] and changed[at + 8 : at + size] == before[8:]
    assert changed.endswith(photo[start + size :]) and changed[: start - 10] == photo[: start - 10]


@pytest.mark.parametrize("fix", [FIX, SOUTH], ids=["with an error", "without"])
@pytest.mark.parametrize("size", [7, 8], ids=["odd", "even"])
def test_directories_begin_at_even_places_with_ascending_tags(size, fix):
    """As TIFF 6.0 wants it; readers may search directories by halves."""
    block = exif({GPS.GPSImgDirection.value: 271.5, GPS.GPSDestDistance.value: 1.0}).tobytes()[6:] + bytes(size)
    grown = with_position(block, fix)
    order = tiff.order_of(grown)
    at = struct.unpack_from(f"{order}I", grown, 4)[0]
    pointer = struct.unpack(f"{order}I", tiff.first_directory(grown).find(tiff.GPS_POINTER).value)[0]
    assert at % 2 == 0 and pointer % 2 == 0
    for directory in (tiff.first_directory(grown), tiff.gps_directory(grown)):
        tags = [entry.tag for entry in directory.entries]
        assert tags == sorted(set(tags)) and len(tags) > 3


def test_scans_of_a_jpeg_are_byte_for_byte_the_same():
    for name in ("jpeg", "jpeg-exif", "jpeg-progressive"):
        scan = PHOTOS[name].index(b"\xff\xda")
        changed = with_position(PHOTOS[name], FIX)
        assert changed[changed.index(b"\xff\xda") :] == PHOTOS[name][scan:]
    assert with_position(PHOTOS["jpeg"], FIX)[2:4] == b"\xff\xe0"  # JFIF's segment stays the first


def test_other_chunks_stay():
    photo, changed = PHOTOS["png"], with_position(PHOTOS["png"], FIX)
    at = changed.index(b"eXIf") - 4
    length = struct.unpack_from(">I", changed, at)[0]
    assert changed[:at] + changed[at + 12 + length :] == photo
    assert struct.unpack_from(">I", changed, at + 8 + length)[0] == zlib.crc32(changed[at + 4 : at + 8 + length])
    assert XMP in with_position(PHOTOS["webp-exif"], FIX)
    see_through = with_position(PHOTOS["webp-lossless-alpha"], FIX)
    assert see_through[12:16] == b"VP8X" and see_through[20] == 0x18  # alpha, EXIF
    assert with_position(PHOTOS["webp"], FIX)[20] == 0x08
    with Image.open(io.BytesIO(see_through)) as image:
        assert image.mode == "RGBA" and image.size == (56, 40)


def test_thumbnails_stay():
    small = saved("JPEG", quality=30)
    block = b"MM\0*" + struct.pack(">IHHHIII", 8, 1, 0x0112, 3, 1, 6 << 16, 26)  # orientation, then the next directory
    block += struct.pack(">HHHIIHHIII", 2, 0x0201, 4, 1, 56, 0x0202, 4, 1, len(small), 0) + small
    segment = b"Exif\0\0" + block
    photo = b"\xff\xd8\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + PHOTOS["jpeg"][2:]
    with Image.open(io.BytesIO(with_position(photo, FIX))) as image:
        exif_block = image.getexif()
        thumbnail = exif_block.get_ifd(ExifTags.IFD.IFD1)
    assert exif_block[Base.Orientation] == 6 and thumbnail[0x0202] == len(small)
    assert exif_block.get_ifd(IFD.GPSInfo)[GPS.GPSLatitudeRef] == "N"  # in the block's own byte order
    assert small in with_position(photo, FIX)


def test_a_fix_is_replaced_and_other_gps_fields_stay(tmp_path):
    old = {GPS.GPSLatitudeRef.value: "S", GPS.GPSLatitude.value: (1.0, 2.0, 3.0), GPS.GPSLongitudeRef.value: "W",
           GPS.GPSLongitude.value: (1.0, 2.0, 3.0), GPS.GPSAltitude.value: 99.0, GPS.GPSImgDirection.value: 271.5,
           GPS.GPSHPositioningError.value: 3.0}  # fmt: skip
    photo = saved("JPEG", exif=exif(old))
    twice = with_position(with_position(photo, SOUTH), Fix(46.5, 7.5))
    (tmp_path / "p.jpg").write_bytes(twice)
    assert read_gps(tmp_path / "p.jpg")["latitude"] == pytest.approx(46.5)
    with Image.open(io.BytesIO(twice)) as image:
        fields = image.getexif().get_ifd(IFD.GPSInfo)
    assert float(fields[GPS.GPSImgDirection]) == 271.5  # the camera's own direction
    assert GPS.GPSAltitude not in fields and GPS.GPSHPositioningError not in fields  # of another fix


@pytest.mark.parametrize("degrees", [0.0, 7.9999999999, 59.99999999 / 60, 179.99999999, 12.0 + 59.9999999 / 3600])
def test_there_are_never_sixty_seconds(degrees):
    with Image.open(io.BytesIO(with_position(PHOTOS["jpeg"], Fix(0.0, degrees)))) as image:
        parts = [float(part) for part in image.getexif().get_ifd(IFD.GPSInfo)[GPS.GPSLongitude]]
    assert parts[1] < 60 and parts[2] < 60
    assert parts[0] + parts[1] / 60 + parts[2] / 3600 == pytest.approx(degrees, abs=2e-8)


def test_what_cannot_hold_a_position_is_refused():
    for photo, why in (
        (saved("GIF"), "JPEG, PNG, WebP and TIFF files alone"),
        (saved("BMP"), "alone"),
        (b"", "alone"),
        (saved("JPEG", exif=b"Exif\0\0" + bytes(60)), "no TIFF structure"),
        (b"\xff\xd8\xff\xe1\x00\x50Exif\0\0II*\0", "cut off"),
        (PHOTOS["png"][:60], "cut off|no image data"),
    ):
        with pytest.raises(DataError, match=why):
            with_position(photo, FIX)
    full = exif()
    full.get_ifd(IFD.Exif)[Base.MakerNote.value] = bytes(65_200)
    with pytest.raises(DataError, match="64 kB"):
        with_position(saved("JPEG", exif=full), FIX)
    with pytest.raises(DataError, match="no position in degrees"):
        Fix(91.0, 0.0)
    text = zlib.compress(b"exif")
    chunk = b"zTXt" + b"Raw profile type exif\0\0" + text
    png = PHOTOS["png"]
    hidden = png[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[33:]
    with pytest.raises(DataError, match="text chunk"):
        with_position(hidden, FIX)


def test_all_pictures_of_a_file_stay():
    """Places of the second picture are counted from a segment: what stands before it may grow, what follows may not."""
    second = Image.fromarray(picture(6, (40, 56)))
    photo = saved("MPO", save_all=True, append_images=[second], exif=exif())
    before, after = pixels_of(photo), pixels_of(with_position(photo, FIX))
    assert len(before) == len(after) == 2 and all(map(np.array_equal, before, after))
    mpf = photo.index(b"\xff\xe2")
    size = 2 + struct.unpack_from(">H", photo, mpf + 2)[0]
    with pytest.raises(DataError, match="several pictures"):
        with_position(photo[:2] + photo[mpf : mpf + size] + photo[2:mpf] + photo[mpf + size :], FIX)


def test_files_with_several_blocks_are_refused():
    """Readers take the first, the last, or join them."""
    jpeg, png, webp = (PHOTOS[f"{form}-exif"] for form in ("jpeg", "png", "webp"))
    at = jpeg.index(b"Exif\0\0") - 4
    stop = at + 2 + struct.unpack_from(">H", jpeg, at + 2)[0]
    start = png.index(b"eXIf") - 4
    end = start + 12 + struct.unpack_from(">I", png, start)[0]
    chunk = webp.index(b"EXIF")
    for doubled in (
        jpeg[:at] + jpeg[at:stop] + jpeg[at:],
        png[:-12] + png[start:end] + png[-12:],
        webp[:4] + struct.pack("<I", len(webp) - 8 + len(webp) - chunk) + webp[8:] + webp[chunk:],
    ):
        with pytest.raises(DataError, match="2 EXIF blocks"):
            with_position(doubled, FIX)


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "tiff"])
def test_what_other_programs_put_behind_a_picture_stays(name):
    """Motion photos keep a film there."""
    film = b"film" + bytes(range(256))
    assert film in with_position(PHOTOS[name] + film, FIX)


@pytest.mark.parametrize("name", ["jpeg-exif", "png-exif", "webp-exif", "tiff-pages"])
def test_damaged_files_are_refused_or_changed_but_never_crash(name):
    generator = np.random.default_rng(1)
    whole = PHOTOS[name]
    for _ in range(150):
        damaged = bytearray(whole[: generator.integers(len(whole))] if generator.uniform() < 0.5 else whole)
        for place in generator.integers(0, min(len(damaged), 400), 4) if damaged else ():
            damaged[place] = generator.integers(256)
        try:
            with_position(bytes(damaged), FIX)
        except DataError as error:
            assert str(error)
