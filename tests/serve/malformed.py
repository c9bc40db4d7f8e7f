"""Requests that are wrong, as the bytes that go over the line; for the tests and `benchmarks/serve_malformed.py`."""

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from tests.serve.malformed_photos import no_photos, photo

BOUNDARY = b"xx"
FORM = b"multipart/form-data; boundary=" + BOUNDARY
PATIENCE = 60

NUMBERS = (
    "",
    " ",
    "-1",
    "0",
    "101",
    "1e3",
    "1.5",
    "NaN",
    "inf",
    "0x10",
    "١",
    "ten",
    "null",
    "[1]",
    "9" * 4000,
    "-" + "9" * 30,
)
BAD_TEXTS = (
    b"\xff",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\xf8\x88\x80\x80\x80",
    b"caf\xe9",
    b"\xc0\xaf",
    b"a\x00b",
    b"\x1b[2J",
)


@dataclass(frozen=True)
class Wrong:
    """A request that deserves a 4xx."""

    name: str
    sent: bytes


def wrongs() -> Iterator[Wrong]:
    """All kinds; the same in every run."""
    for name, data in no_photos():
        yield Wrong(f"/locate of {name}", located(data))
    good = photo("JPEG")
    yield from _fields(good)
    yield from _forms(good)
    yield from _searches()
    yield from _lines(good)


def status_of(port: int, wrong: Wrong) -> int:
    """What a service of this machine answers; 0 where it closes the line without a word."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has answered already
            line.sendall(wrong.sent)
        try:
            head = line.makefile("rb").readline(200)
        except ConnectionResetError:
            return 0
    return int(head.split()[1]) if head.startswith(b"HTTP/1.1 ") else 0


def request(path: bytes, body: bytes, kind: bytes = FORM, *more: bytes, method: bytes = b"POST") -> bytes:
    lines = (
        method + b" " + path + b" HTTP/1.1", b"Host: 127.0.0.1", b"Connection: close", b"Content-Type: " + kind,
        b"Content-Length: %d" % len(body), *more,
    )  # fmt: skip
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def part(name: bytes, value: bytes, *headers: bytes) -> bytes:
    lines = (b"--" + BOUNDARY, b'Content-Disposition: form-data; name="' + name + b'"', *headers)
    return b"\r\n".join(lines) + b"\r\n\r\n" + value + b"\r\n"


END = b"--" + BOUNDARY + b"--\r\n"


def located(data: bytes, **fields: bytes) -> bytes:
    parts = [part(name.encode(), value) for name, value in fields.items()]
    return request(b"/locate", part(b"image", data, b"Content-Type: image/jpeg") + b"".join(parts) + END)


def _fields(good: bytes) -> Iterator[Wrong]:
    for field in ("top", "distinct"):
        for value in NUMBERS:
            if field == "distinct" and value in ("0", "101", "1e3", "1.5"):
                continue
            yield Wrong(f"{field} {value[:20]!r} of {len(value)} signs", located(good, **{field: value.encode()}))
    yield Wrong("rerank without a second stage", located(good, rerank=b"5"))
    yield Wrong("text without a method that reads it", located(good, text=b"a house"))
    yield Wrong("text of 20 kB", located(good, text=b"x" * 20_000))
    yield Wrong("unknown field", located(good, tpo=b"5"))
    for value in BAD_TEXTS:
        yield Wrong(f"text {value!r}", located(good, text=value))
    for number, value in enumerate((b"-1", b"99999", b"9" * 50, b"x", b"", b"1.5", b"../1")):
        sent = request(b"/matches", part(b"image", good) + part(b"id", value) + END)
        yield Wrong(f"/matches of record {number}", sent)
    yield Wrong("/matches without a record", request(b"/matches", part(b"image", good) + END))


def _forms(good: bytes) -> Iterator[Wrong]:
    whole = part(b"image", good)
    for name, body in {
        "nothing": b"", "its end alone": END, "no end": whole, "half an end": whole + END[:3], "text": b"hello" * 50,
        "another boundary": whole.replace(b"--xx", b"--yy") + b"--yy--\r\n",
        "lines without CR": whole.replace(b"\r\n", b"\n"), "no field": part(b"other", b"5") + END,
        "an empty photo": part(b"image", b"") + END, "two photos": whole + whole + END,
        "a part without a name": b"--xx\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + END,
        "a part that is a file": b'--xx\r\nContent-Disposition: attachment; name="image"\r\n\r\nx\r\n' + END,
        "a part without headers": b"--xx\r\n\r\nx\r\n" + END,
        "a header without a colon": b"--xx\r\nnothing\r\n\r\nx\r\n" + END,
        "a header of 60 kB": part(b"image", good, b"X-Long: " + b"x" * 60_000) + END,
        "a hundred headers": part(b"image", good, *[b"X-%d: y" % number for number in range(100)]) + END,
        "a name of 8 kB": part(b"n" * 8000, b"x") + END, "a name that is not UTF-8": part(b"\xff\xfe", b"x") + END,
        "a thousand fields": b"".join(part(b"f%d" % number, b"x") for number in range(1000)) + END,
        "a form in the form": part(b"image", whole + b"--yy--", b"Content-Type: multipart/mixed; boundary=yy") + END,
    }.items():  # fmt: skip
        yield Wrong(f"a form with {name}", request(b"/locate", body))
    for kind in (
        b"", b"text/plain", b"application/json", b"application/x-www-form-urlencoded", b"image/jpeg",
        b"multipart/form-data", b"multipart/form-data; boundary=", b"multipart/mixed; boundary=xx",
        b"multipart/form-data; boundary=" + b"x" * 300, b"multipart/form-data; boundary=yy", b"\xff\xfe; boundary=xx",
    ):  # fmt: skip
        yield Wrong(f"the kind {kind[:50]!r}", request(b"/locate", whole + END, kind))


def _searches() -> Iterator[Wrong]:
    for body in (
        b"", b"{", b"[]", b"null", b'"x"', b"{}", b'{"text": 5}', b'{"text": ""}', b'{"text": null}',
        b'{"text": ["x"]}', b'{"text": "\xff"}',
        b'{"text": "x", "top": NaN}', b'{"text": "x", "top": ' + b"9" * 5000 + b"}", b"[" * 30_000,
        b'{"text": "x", "near": [1]}', b'{"text": "x", "near": [1, 2]}', b'{"text": "\\ud800"}',
        b'{"text": "x", "near": [1e400, 2], "within": 5}', b'{"text": "' + b"x" * 5000 + b'"}',
        b'{"text": "' + b"x" * 100_000 + b'"}', b"{'text': 1}",
        b'{"text": "x", "unknown": 1}', b'{"text": "a house"}', b"\xef\xbb\xbf{}", b'{"text": "x"} more', bytes(100),
    ):  # fmt: skip
        yield Wrong(f"/search of {body[:40]!r} of {len(body)} bytes", request(b"/search", body, b"application/json"))
    yield Wrong("/search without its kind", request(b"/search", json.dumps({"text": "x"}).encode(), b"text/plain"))


def _lines(good: bytes) -> Iterator[Wrong]:
    whole = part(b"image", good) + END
    for path in (
        b"/records/-1", b"/records/99999", b"/records/" + b"9" * 400, b"/records/x", b"/records/1.5", b"/records/%00",
        b"/records/..%2f..%2fetc%2fpasswd", b"/records/1/thumbnail?size=0", b"/records/1/thumbnail?size=99999999",
        b"/records/1/thumbnail?size=x", b"/records/99999/thumbnail", b"/page/..%2fapp.py", b"/page/../app.py",
        b"/page/x.js", b"/../../etc/passwd", b"/nothing", b"//", b"/" + b"x" * 9000, b"/%ff%fe", b"/about/", b"/locate",
    ):  # fmt: skip
        yield Wrong(f"GET {path[:40].decode()}", request(path, b"", method=b"GET"))
    for method in (b"PUT", b"DELETE", b"PATCH", b"TRACE", b"OPTIONS", b"NONSENSE"):
        yield Wrong(f"{method.decode()} /locate", request(b"/locate", b"", method=method))
    for name, header in {
        "a header of 30 kB": b"X-Long: " + b"x" * 30_000, "another site": b"Origin: https://evil.example",
        "a site that is none": b"Origin: http://[", "a site that is no text": b"Origin: \xff\xfe",
        "no length but a size": b"Transfer-Encoding: nonsense", "two lengths": b"Content-Length: 5",
        "a header without a name": b": x", "a header with a zero": b"X-Zero: a\x00b",
    }.items():  # fmt: skip
        yield Wrong(name, request(b"/locate", whole, FORM, header))
    plain = b"POST /locate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: " + FORM + b"\r\n"
    for name, sent in {
        "a length below zero": plain + b"Content-Length: -5\r\n\r\n" + whole,
        "a length that is a word": plain + b"Content-Length: many\r\n\r\n" + whole,
        "a length of 10 GB": plain + b"Content-Length: 10000000000\r\nExpect: 100-continue\r\n\r\n",
        "a chunk that is a word": plain + b"Transfer-Encoding: chunked\r\n\r\nmany\r\n",
        "no host": b"GET /about HTTP/1.1\r\nConnection: close\r\n\r\n",
        "a strange host": b"GET /about HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        "a host that is no text": b"GET /about HTTP/1.1\r\nHost: \xff\xfe\r\nConnection: close\r\n\r\n",
        "a host with an open bracket": b"GET /about HTTP/1.1\r\nHost: [::1\r\nConnection: close\r\n\r\n",
        "two hosts": b"GET /about HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
        "no HTTP": b"hello\r\n\r\n",
        "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(60) + b"\r\n\r\n",
        "21 MB": request(b"/locate", part(b"image", bytes(21_000_000)) + END),
        "21 MB in chunks": plain + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        + (b"100000\r\n" + bytes(2**20) + b"\r\n") * 21 + b"0\r\n\r\n",
    }.items():  # fmt: skip
        yield Wrong(name, sent)
