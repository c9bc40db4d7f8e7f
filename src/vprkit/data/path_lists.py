"""`<folder>_images_paths.txt`: a list of images that replaces walking a folder; 41 million lines in bounded memory.

A list keeps its order. It is read in pieces, parsed by columns, and from `WORTH` names on kept in the user's cache, so
that the next opening maps it. Names are held as the bytes they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vprkit.data import cache
from vprkit.data.columns import StringColumn
from vprkit.data.disk import is_file
from vprkit.data.layouts import at_columns
from vprkit.data.records import Records, checked_name, single
from vprkit.errors import DataError
from vprkit.files import unread

PIECE = 1 << 25
"""Bytes of a list read at once."""

WORTH = 100_000
"""Bytes per name are few: lists of at least this many names are worth keeping."""

EVERY, SAMPLED = 10_000, 100
"""Lists up to EVERY names are checked file by file, longer ones at SAMPLED places and the first."""

BOM = b"\xef\xbb\xbf"

_UNUSUAL = (b"\\", b"\0", b":", b"\r", b"\t", b" ")
_DOT, _SLASH, _BREAK = (ord(sign) for sign in "./\n")


def read_list(listed: Path, folder: Path, root: Path) -> Records | None:
    """Records of a list whose lines are relative to `folder` (or its parent), named relative to `root`.

    None where no name is an `@` name and the list is short: then EXIF may tell positions.

    Raises:
        DataError: unreadable, empty, a path that leaves the folder, or the first file does not exist.
    """
    try:
        size = listed.stat().st_size
        first = _first_line(listed)
        cut = _cut(listed, folder, first)
        prefix = (
            b"" if folder == root else folder.relative_to(root).as_posix().encode("utf-8", "surrogateescape") + b"/"
        )
        if size < WORTH * 40:
            return _checked(_collected(listed, prefix, cut), folder, listed, root)
        key = cache.key_of("list", cache.content_key(listed), prefix, cut)
        kept = cache.load("records", key)
        if kept is None:
            with cache.writing("records", key) as entry:
                if entry is not None:
                    _write(entry, listed, prefix, cut)
            kept = cache.load("records", key)
    except OSError as error:
        raise DataError(unread(listed, error, "cannot be read as a list of paths")) from error
    if kept is None:  # nothing can be kept here: hold it in memory
        return _checked(_collected(listed, prefix, cut), folder, listed, root)
    return _checked(_from_columns(kept[1], key), folder, listed, root)


def list_names(listed: Path, folder: Path, root: Path) -> StringColumn:
    """The names of a list, relative to `root`, without positions."""
    prefix = b"" if folder == root else folder.relative_to(root).as_posix().encode("utf-8", "surrogateescape") + b"/"
    return _names(listed.read_bytes(), listed, prefix, _cut(listed, folder, _first_line(listed)))


@dataclass(frozen=True, eq=False)
class _Piece:
    names: StringColumn
    fields: at_columns.AtColumns


COLUMNS = ("east", "north", "latitude", "longitude", "heading", "zone", "south", "known", "unreadable")


@dataclass(frozen=True, eq=False)
class _Listed:
    """Columns of a whole list."""

    names: StringColumn
    columns: dict[str, np.ndarray]
    texts: dict[str, StringColumn]
    key: str = ""


def _first_line(listed: Path) -> bytes:
    with listed.open("rb") as file:
        for line in file:
            if name := line.removeprefix(BOM).strip():
                return name
    raise DataError(f"{listed}: lists no image")


def _cut(listed: Path, folder: Path, first: bytes) -> bytes:
    """What to take from the front of every line: some lists are relative to the folder, some to its parent."""
    name = _name(first, listed)
    own = folder.name.encode("utf-8", "surrogateescape") + b"/"
    if not is_file(folder / name) and is_file(folder.parent / name) and first.startswith(own):
        return own
    return b""


def _name(line: bytes, listed: Path) -> str:
    try:
        return checked_name(line.decode("utf-8", "surrogateescape"))
    except DataError as error:
        raise DataError(f"{listed}: {error}") from error


def _pieces(listed: Path, prefix: bytes, cut: bytes) -> Iterator[_Piece]:
    """The list in pieces of whole lines, parsed."""
    rest = b""
    with listed.open("rb", buffering=0) as file:
        while True:
            block = file.read(PIECE)
            text = rest + block
            end = text.rfind(b"\n") + 1 if block else len(text)
            rest, text = text[end:], text[:end]
            if text:
                names = _names(text, listed, prefix, cut)
                for fields in at_columns.blocks(names) if len(names) else ():
                    count = len(fields.known)
                    yield _Piece(names[:count], fields)
                    names = names[count:]
            if not block:
                return


def _names(text: bytes, listed: Path, prefix: bytes, cut: bytes) -> StringColumn:
    """Lines as names behind the prefix, without a Python object per line unless something in them is odd."""
    text = text.removeprefix(BOM)
    if not text.endswith(b"\n"):
        text += b"\n"
    if _is_odd(text):
        lines = (line.strip() for line in text.split(b"\n"))
        text = b"".join(_name(line, listed).encode("utf-8", "surrogateescape") + b"\n" for line in lines if line)
    if cut:
        text = (b"\n" + text).replace(b"\n" + cut, b"\n")[1:]
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == _BREAK)
    if not ends.size:
        return StringColumn.of([])
    lengths = np.diff(ends, prepend=-1) - 1 + len(prefix)
    joined = prefix + text[:-1].replace(b"\n", prefix)
    return StringColumn(np.frombuffer(joined, np.uint8), np.append(0, np.cumsum(lengths)).astype(np.int64))


def _is_odd(text: bytes) -> bool:
    """Something in the lines needs `checked_name`: blanks, backslashes, `..`, `//`, empty lines and the like."""
    if any(sign in text for sign in _UNUSUAL):
        return True
    buffer = np.frombuffer(text, np.uint8)
    joint = (buffer - np.uint8(_DOT)) <= _SLASH - _DOT  # a dot or a slash, which follow each other in the byte order
    breaks = np.flatnonzero(buffer == _BREAK)
    around = np.concatenate([breaks[:-1] + 1, np.maximum(breaks - 1, 0), [0]])
    return bool((joint[1:] & joint[:-1]).any() or joint[around].any() or (np.diff(breaks) == 1).any() or not breaks[0])


def _collected(listed: Path, prefix: bytes, cut: bytes) -> _Listed:
    pieces = list(_pieces(listed, prefix, cut))
    if not pieces:
        raise DataError(f"{listed}: lists no image")
    columns = {name: np.concatenate([getattr(piece.fields, name) for piece in pieces]) for name in COLUMNS}
    texts = {name: StringColumn.joined([getattr(piece.fields, name) for piece in pieces]) for name in TEXTS}
    return _Listed(StringColumn.joined([piece.names for piece in pieces]), columns, texts)


TEXTS = ("time", "condition")


def _write(entry: cache.Entry, listed: Path, prefix: bytes, cut: bytes) -> None:
    """Every piece appended to the entry's columns."""
    ends = dict.fromkeys(("name", *TEXTS), 0)
    for name in ends:
        entry.append(f"{name}.offsets", np.zeros(1, np.int64))
    for piece in _pieces(listed, prefix, cut):
        for name in COLUMNS:
            values = getattr(piece.fields, name)
            entry.append(name, single(values) if name == "heading" else values)
        for name in ends:
            strings = piece.names if name == "name" else getattr(piece.fields, name)
            first, last = int(strings.offsets[0]), int(strings.offsets[-1])
            entry.append(f"{name}.utf8", strings.data[first:last])
            entry.append(f"{name}.offsets", np.asarray(strings.offsets[1:]) - first + ends[name])
            ends[name] += last - first
    entry.keep({"list": str(listed)})


def _from_columns(columns: dict[str, np.ndarray], key: str) -> _Listed:
    strings = {name: StringColumn(columns[f"{name}.utf8"], columns[f"{name}.offsets"]) for name in ("name", *TEXTS)}
    return _Listed(
        strings["name"], {name: columns[name] for name in COLUMNS}, {name: strings[name] for name in TEXTS}, key
    )


def _checked(found: _Listed, folder: Path, listed: Path, root: Path) -> Records | None:
    """Records of the list, after a look at the disk."""
    notices = _missing(found.names, root, folder, listed)
    records = records_of_columns(root, found.names, found.columns, found.texts, found.key)
    return None if records is None else records.with_notice(*notices)


def _missing(names: StringColumn, root: Path, folder: Path, listed: Path) -> tuple[str, ...]:
    """Refuse a list whose files are not there; a long one is sampled, and what is missing then is said."""
    count = len(names)
    every = count <= EVERY
    rows = range(count) if every else sorted({0, *np.linspace(0, count - 1, SAMPLED).astype(int).tolist()})
    missing = [names[row] for row in rows if not is_file(root / names[row])]
    if missing and (every or missing[0] == names[0]):
        looked = count if every else len(rows)
        below = [name.removeprefix(f"{folder.name}/") for name in missing[:3]]
        raise DataError(
            f"{listed}: {len(missing)} of {looked} listed files do not exist in {folder}, such as {', '.join(below)}"
        )
    if not missing:
        return ()
    return (f"{listed.name}: {len(missing)} of {len(rows)} files looked at do not exist, such as {missing[0]}; "
            "`vpr data check` looks at all",)  # fmt: skip


def records_of_columns(
    root: Path, names: StringColumn, columns: dict[str, np.ndarray], texts: dict[str, StringColumn], key: str = ""
) -> Records | None:
    """Records of parsed `@` names; None where no name is one."""
    known, unreadable = columns["known"], columns["unreadable"]
    count, named = len(names), int(np.count_nonzero(known))
    if not named:
        return None
    notices = []
    if named < count:
        example = names[int(np.argmin(known))]
        notices.append(f"{count - named} of {count} names have no readable position, such as '{example}'")
    strange = int(np.count_nonzero(unreadable))
    if strange:
        example = names[int(np.argmax(unreadable))]
        notices.append(
            f"{strange} of {count} names have an unreadable UTM zone, such as '{example}'; their distances are planar"
        )
    heading = columns["heading"] if columns["heading"].dtype == np.float32 else single(columns["heading"])
    given = {name: column for name, column in texts.items() if len(column.data)}
    return Records(root, names, columns["east"], columns["north"], columns["zone"], columns["south"],
                   columns["latitude"], columns["longitude"], heading, given, tuple(notices), key)  # fmt: skip
