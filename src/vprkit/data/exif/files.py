"""EXIF blocks in JPEG, PNG, WebP and TIFF files: taken out and put in by bytes, pixels are never decoded.

After the JPEG standard (T.81) with Exif 2.3, PNG's `eXIf` chunk, and the WebP container specification.
"""

import struct
import zlib
from collections.abc import Callable, Iterator

from vprkit.data.decoding import open_image
from vprkit.data.exif import tiff
from vprkit.data.exif.gps import Fix, fields_of, is_stale
from vprkit.errors import DataError

Splice = Callable[[bytes, Callable[[bytes], bytes]], bytes]
"""(file, change of its EXIF block) to file."""

JPEG_MARK, MPF_MARK = b"Exif\0\0", b"MPF\0"
JPEG_MOST = 65_533 - len(JPEG_MARK)
PNG_MARK = b"\x89PNG\r\n\x1a\n"
WEBP_EXIF, WEBP_ALPHA = 0x08, 0x10


def with_position(photo: bytes, fix: Fix) -> bytes:
    """A photo's file with a position in its EXIF; pixels and all other metadata stay byte for byte.

    A position that it had is replaced; the bytes of the old one stay in the file, where nothing points to them.

    Args:
        photo: content of a JPEG, PNG, WebP or TIFF file.
        fix: the position.

    Raises:
        DataError: it is none of these formats, or damaged, or has no room for more EXIF.
    """

    def change(block: bytes) -> bytes:
        return tiff.with_gps(block, fields_of(fix, block), lambda entry: is_stale(entry, fix))

    try:
        return _splice_of(photo)(photo, change)
    except struct.error as error:
        raise DataError(f"its file is cut off ({error})") from error


def _splice_of(photo: bytes) -> Splice:
    if photo[:3] == b"\xff\xd8\xff":
        return _jpeg
    if photo[:8] == PNG_MARK:
        return _png
    if photo[:4] == b"RIFF" and photo[8:12] == b"WEBP":
        return _webp
    if photo[:4] in (b"II*\0", b"MM\0*"):
        return lambda file, change: change(file)
    raise DataError("positions are written into JPEG, PNG, WebP and TIFF files alone")


def _jpeg(photo: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """In the APP1 segment of EXIF; a new one stands behind JFIF's."""
    place, found, counted = (2, 2), [], None
    for marker, start, stop in _segments(photo):
        if marker == 0xE0 and start == place[1]:
            place = (stop, stop)
        if marker == 0xE1 and photo.startswith(JPEG_MARK, start + 4):
            found.append((start, stop))
        if marker == 0xE2 and photo.startswith(MPF_MARK, start + 4):
            counted = start
    _refuse_several(len(found))
    place = found[0] if found else place
    if counted is not None and counted < place[0]:
        raise DataError("it holds several pictures, whose places are counted from a mark (MPF) that stands before its "
                        "EXIF block: they would be lost")  # fmt: skip
    changed = change(photo[place[0] + 4 + len(JPEG_MARK) : place[1]] if found else tiff.EMPTY)
    if len(changed) > JPEG_MOST:
        raise DataError("its EXIF block is full: a JPEG file holds 64 kB of it")
    segment = b"\xff\xe1" + struct.pack(">H", 2 + len(JPEG_MARK) + len(changed)) + JPEG_MARK + changed
    return photo[: place[0]] + segment + photo[place[1] :]


def _refuse_several(blocks: int) -> None:
    """Readers differ in which of several blocks they believe, or join them."""
    if blocks > 1:
        raise DataError(f"it holds {blocks} EXIF blocks; one is what its format allows")


def _segments(photo: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, stop) of the segments before the image data."""
    at = 2
    while at + 4 <= len(photo):
        if photo[at] != 0xFF:
            raise DataError("its JPEG segments are damaged")
        marker = photo[at + 1]
        if marker == 0xFF:  # a byte that fills
            at += 1
            continue
        if marker in (0xDA, 0xD9):  # the image begins, or it ends without one
            return
        stop = at + 2 + struct.unpack_from(">H", photo, at + 2)[0]
        if stop > len(photo) or stop < at + 4:
            raise DataError("its JPEG segments are cut off")
        yield marker, at, stop
        at = stop


def _png(photo: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """In the chunk eXIf; a new one stands before the image data."""
    found, image = [], None
    for kind, start, stop in _png_chunks(photo):
        if kind == b"eXIf":
            found.append((start, stop))
        if kind == b"IDAT" and image is None:
            image = start
        if kind in (b"zTXt", b"iTXt", b"tEXt") and photo[start + 8 : start + 32].startswith(b"Raw profile type exif"):
            raise DataError("it keeps EXIF in a text chunk, beside which another block would be hidden")
    if image is None:
        raise DataError("it holds no image data")
    _refuse_several(len(found))
    start, stop = found[0] if found else (image, image)
    block = photo[start + 8 : stop - 4].removeprefix(JPEG_MARK) if found else tiff.EMPTY
    data = b"eXIf" + change(block)
    chunk = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    return photo[:start] + chunk + photo[stop:]


def _png_chunks(photo: bytes) -> Iterator[tuple[bytes, int, int]]:
    at = len(PNG_MARK)
    while at + 12 <= len(photo):
        stop = at + 12 + struct.unpack_from(">I", photo, at)[0]
        if stop > len(photo):
            raise DataError("its PNG chunks are cut off")
        yield photo[at + 4 : at + 8], at, stop
        if photo[at + 4 : at + 8] == b"IEND":
            return
        at = stop


def _webp(photo: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """In the chunk EXIF, announced by VP8X, which a simple file gets."""
    chunks = list(_webp_chunks(photo))
    known = dict(chunks)
    _refuse_several(sum(kind == b"EXIF" for kind, _ in chunks))
    old = known.get(b"EXIF")
    changed = change(tiff.EMPTY if old is None else old.removeprefix(JPEG_MARK))
    header = bytearray(known.get(b"VP8X") or _webp_header(photo))
    if len(header) < 10:
        raise DataError("its WebP header is cut off")
    header[0] |= WEBP_EXIF
    parts = [(b"VP8X", bytes(header))]
    parts += [(kind, changed if kind == b"EXIF" else data) for kind, data in chunks if kind != b"VP8X"]
    parts += [] if old is not None else [(b"EXIF", changed)]
    body = b"WEBP" + b"".join(kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
                              for kind, data in parts)  # fmt: skip
    return b"RIFF" + struct.pack("<I", len(body)) + body + photo[_webp_end(photo) :]


def _webp_header(photo: bytes) -> bytes:
    """The VP8X chunk of a simple file: flags and the size less one, 24 bits each."""
    with open_image(photo) as image:
        width, height, alpha = *image.size, image.mode == "RGBA"
    flags = WEBP_ALPHA if alpha else 0
    return bytes((flags, 0, 0, 0)) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def _webp_chunks(photo: bytes) -> Iterator[tuple[bytes, bytes]]:
    at, end = 12, _webp_end(photo)
    while at + 8 <= end:
        size = struct.unpack_from("<I", photo, at + 4)[0]
        if at + 8 + size > end:
            raise DataError("its WebP chunks are cut off")
        yield photo[at : at + 4], photo[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _webp_end(photo: bytes) -> int:
    """Where the container ends; some programs put bytes of their own behind it."""
    size: int = struct.unpack_from("<I", photo, 4)[0]
    return min(len(photo), 8 + size + size % 2)
