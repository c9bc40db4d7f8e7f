"""What clients send: a form read as it arrives, strictly, and photos told by their content."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from PIL import Image
from torch import Tensor

from vprkit import extras
from vprkit.data.decoding import decode, open_image
from vprkit.data.images import prepare
from vprkit.preprocessing import Preprocessing
from vprkit.serve.refusals import Refusal

JSON = "application/json"

PHOTO = "image"
"""The field that holds the photo."""

NAME = "the photo"
"""What messages call it."""

FIELD_BYTES = 16_384
"""Of every other field."""

PLACES = ("body", "path", "query")
"""Where a field can stand, as the framework calls it."""


@dataclass(frozen=True)
class Form:
    """A form that was sent: the photo's bytes, and the texts of its other fields."""

    photo: bytes
    fields: Mapping[str, str]


async def read_form(chunks: AsyncIterator[bytes], content_type: str, beside: type[Any]) -> Form:
    """Read a multipart form. The caller bounds its size as a whole.

    Args:
        chunks: of the body.
        content_type: its header.
        beside: the dataclass of its other fields.

    Raises:
        Refusal: it is no such form, it is broken, lacks the photo, or has an unknown field or one twice.
    """
    multipart = extras.require("serve", "python_multipart.multipart")
    parts = _Parts(multipart.parse_options_header, (PHOTO, *(known.name for known in fields(beside))))
    try:
        kind, options = multipart.parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise Refusal(415, f"send a form (multipart/form-data) with the photo in the field '{PHOTO}'")
        parser = multipart.MultipartParser(boundary, parts.callbacks())
        async for chunk in chunks:
            if chunk:
                parser.write(chunk)
    except ValueError as error:  # what its parser raises is one
        raise Refusal(400, f"the form is broken: {error}") from None
    if not parts.complete:
        raise Refusal(400, "the form is broken: it ends before its last boundary")
    if not parts.values.get(PHOTO):
        raise Refusal(422, f"the field '{PHOTO}' is missing or empty; it holds the photo")
    return Form(bytes(parts.values.pop(PHOTO)), {name: _text(name, value) for name, value in parts.values.items()})


def check_json(content_type: str) -> None:
    """Refuse a body that is not declared to be JSON.

    Args:
        content_type: its header.
    """
    if content_type.partition(";")[0].strip().lower() != JSON:
        raise Refusal(415, f"send JSON with Content-Type: {JSON}")


@dataclass
class _Parts:
    """Fields of a form while they come in."""

    options_of: Any
    known: Sequence[str]
    values: dict[str, bytearray] = field(default_factory=dict)
    complete: bool = False
    _header: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _headers: dict[bytes, bytes] = field(default_factory=dict)
    _name: str = ""

    def callbacks(self) -> dict[str, Any]:
        return {
            "on_part_begin": self._headers.clear,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin,
            "on_part_data": self._take,
            "on_end": self._end,
        }

    def _end_header(self) -> None:
        self._headers[bytes(self._header).lower()] = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _begin(self) -> None:
        kind, options = self.options_of(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"")
        if kind != b"form-data" or not name:
            raise Refusal(400, "the form is broken: a part has no name")
        self._name = _text("name", bytearray(name))
        if self._name not in self.known:  # before its length counts: what came may be the photo under another name
            raise Refusal(422, f"there is no field '{self._name[:40]}'; this form takes {', '.join(self.known)}")
        if self._name in self.values:
            raise Refusal(422, f"the field '{self._name[:40]}' stands there twice")
        self.values[self._name] = bytearray()

    def _take(self, data: bytes, start: int, end: int) -> None:
        value = self.values[self._name]
        if self._name != PHOTO and len(value) + end - start > FIELD_BYTES:
            raise Refusal(413, f"the field '{self._name[:40]}' is longer than {FIELD_BYTES} bytes")
        value += data[start:end]

    def _end(self) -> None:
        self.complete = True


def _text(name: str, value: bytearray) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal(422, f"the field '{name[:40]}' is not UTF-8") from None


Fields = TypeVar("Fields")


def fields_of(kind: type[Fields], values: Mapping[str, str]) -> Fields:
    """The typed fields of a form.

    Raises:
        Refusal: one is unknown, missing, or of another type.
    """
    pydantic = extras.require("serve", "pydantic")
    try:
        typed: Fields = pydantic.TypeAdapter(kind).validate_python(dict(values))
    except pydantic.ValidationError as error:
        raise Refusal(422, what_is_wrong(error.errors())) from None
    return typed


def what_is_wrong(errors: Any) -> str:
    """What pydantic found, as one sentence for each."""
    said = []
    for error in errors[:5]:
        where = ".".join(str(part) for part in error["loc"] if part not in PLACES) or "the body"
        said.append(f"{where[:60]}: {error['msg'][:1].lower()}{error['msg'][1:200]}")
    return "; ".join(said)


def prepared(photo: bytes, preprocessing: Preprocessing, pixels: int) -> Tensor:
    """An uploaded photo as a method wants it; see `vprkit.data.images.prepare`.

    Raises:
        ImageError: it cannot be read, or has more pixels.
    """
    open_image(photo, NAME, pixels).close()
    return prepare(photo, preprocessing, NAME)


def upright(photo: bytes, preprocessing: Preprocessing, pixels: int) -> Image.Image:
    """An uploaded photo as a picture, turned as the method turns it.

    Raises:
        ImageError: it cannot be read, or has more pixels.
    """
    open_image(photo, NAME, pixels).close()
    return decode(photo, "rgb", preprocessing.exif_orientation, NAME)
