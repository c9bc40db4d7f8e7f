"""Bytes that are no photo: cut, flipped, lying about their size, or something else; for the tests and the benchmark."""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.conftest import picture

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "GIF")
SHARES = (0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)
HEAD = 16

OTHERS = {
    "text": b"This is not a picture, it is a sentence.\n" * 20,
    "html": b"<!DOCTYPE html><html><body><img src=x></body></html>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>',
    "json": b'{"image": "x"}',
    "xml entities": b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><a>&d;</a>',
    "pdf": b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n",
    "zip": b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + bytes(60),
    "gzip": b"\x1f\x8b\x08\x00" + bytes(40),
    "tar": b"photo.jpg".ljust(257, b"\0") + b"ustar\x0000" + bytes(250),
    "elf": b"\x7fELF\x02\x01\x01" + bytes(60),
    "windows program": b"MZ\x90\x00" + bytes(60),
    "pickle": b"\x80\x04\x95\x0f\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x8c\x06system\x93.",
    "mp4": b"\x00\x00\x00\x18ftypmp42" + bytes(40),
    "heic": b"\x00\x00\x00\x18ftypheic" + bytes(40),
    "avif": b"\x00\x00\x00\x18ftypavif" + bytes(40),
    "jpeg 2000": b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(40),
    "photoshop": b"8BPS\x00\x01" + bytes(40),
    "icon": b"\x00\x00\x01\x00\x01\x00\x10\x10" + bytes(40),
    "windows metafile": b"\xd7\xcd\xc6\x9a" + bytes(40),
    "fits": b"SIMPLE  =                    T" + b" " * 50,
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(40),
    "mp3": b"ID3\x03\x00\x00\x00\x00\x00\x00" + bytes(40),
    "script": b"#!/bin/sh\nrm -rf /\n",
    "utf-16": "not a picture".encode("utf-16"),
    "one byte": b"\xff",
    "zeros": bytes(5000),
    "ones": b"\xff" * 5000,
}


def photo(form: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(1, (60, 80))).save(buffer, form)
    return buffer.getvalue()


def no_photos() -> Iterator[tuple[str, bytes]]:
    """Names and bytes; whatever Pillow reads after all is left out."""
    for name, data in (*_cut(), *_flipped(), *_random()):
        if not _reads(data):
            yield name, data
    yield from OTHERS.items()
    yield from bombs()


def bombs() -> Iterator[tuple[str, bytes]]:
    """Small files that claim, or unpack to, far more than any photo has."""
    for width, height in ((50_000, 50_000), (2**31 - 1, 2**31 - 1), (9000, 9000), (0, 5)):
        yield f"png of {width} x {height}", _png(width, height, zlib.compress(bytes(10_000)))
    yield "png that unpacks to 144 MB", _png(12_000, 12_000, zlib.compress(bytes(12_001 * 12_000), 1))
    for kind, content in (
        (b"zTXt", b"note\0\0" + zlib.compress(bytes(2**25), 9)),
        (b"iCCP", b"icc\0\0" + zlib.compress(bytes(2**26), 9)),
        (b"iTXt", b"note\0\1\0\0\0" + zlib.compress(bytes(2**25), 9)),
    ):
        yield f"png with {kind.decode()} that unpacks", _png(8, 8, zlib.compress(b"\0"), (kind, content))
    yield "gif of 65535 x 65535", b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b";"
    yield "bmp of 100000 x 100000", _bmp(100_000, 100_000)
    yield "bmp of 30000 x -30000", _bmp(30_000, -30_000)
    yield "ppm of 100000 x 100000", b"P6 100000 100000 255\n" + bytes(500)
    yield "ppm with a number without end", b"P6 " + b"9" * 5000 + b" 1 255\n"
    yield "jpeg of 65500 x 65500", photo("JPEG").replace(struct.pack(">HH", 60, 80), b"\xff\xdc\xff\xdc", 1)
    extended = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xfe\x3f\x00" + b"\xfe\x3f\x00"
    yield "webp of 16383 x 16383", b"RIFF" + struct.pack("<I", 4 + len(extended)) + b"WEBP" + extended
    yield "tiff of 100000 x 100000", _tiff(100_000, 100_000, 8)
    yield "tiff whose directory is itself", _tiff(9, 9, 8, following=8)
    yield "tiff with a directory beyond its end", _tiff(9, 9, 2**31)


def _cut() -> Iterator[tuple[str, bytes]]:
    for form in FORMATS:
        whole = photo(form)
        for length in sorted({1, 4, 12, *(int(share * len(whole)) for share in SHARES), len(whole) - 1}):
            yield f"{form} cut after {length} bytes", whole[:length]


def _flipped() -> Iterator[tuple[str, bytes]]:
    for form in FORMATS:
        whole = photo(form)
        for place in range(HEAD):
            yield f"{form} with byte {place} inverted", whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :]


def _random() -> Iterator[tuple[str, bytes]]:
    generator = np.random.default_rng(0)
    for form in FORMATS:
        noise = generator.integers(0, 256, 3000, np.uint8).tobytes()
        yield f"{form} that becomes noise", photo(form)[:HEAD] + noise


def _reads(data: bytes) -> bool:
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            image.convert("RGB")
    except Exception:  # Pillow raises nearly anything
        return False
    return True


def _png(width: int, height: int, packed: bytes, *more: tuple[bytes, bytes]) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), *more, (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _bmp(width: int, height: int) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 100, 0, 0, 54) + head + bytes(100)


def _tiff(width: int, height: int, offset: int, following: int = 0) -> bytes:
    entries = ((256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 200), (277, 1), (278, height), (279, 9))
    directory = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries
    )
    return b"II*\0" + struct.pack("<I", offset) + directory + struct.pack("<I", following) + bytes(120)
