"""NumPy files as data: `.npy` and `.npz`, arrays of objects included. Nothing in a file is ever run.

Sizes are checked against the bytes that are there before memory is taken. Arrays of objects are pickles: their opcodes
are looked at first (only those that build lists, texts, numbers and arrays pass), then they are read with stand-ins
for NumPy's own constructors, which take plain numbers and text only.
"""

import io
import math
import pickle
import pickletools
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from vprkit.errors import DataError

LARGEST = 2 * 2**30
"""Bytes of one array; ground truth of the field stays below a tenth of it."""

_PLAIN_KINDS = "?biufSU"
_HARMLESS = frozenset(
    """
    PROTO FRAME STOP MARK POP POP_MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT
    STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8
    EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET
    LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BUILD
    """.split()  # noqa: SIM905
)
_MEMO_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})


def read_npy(path: Path) -> Any:
    """The array of a file; an array of objects comes as nested lists of plain arrays, texts and numbers.

    Raises:
        DataError: unreadable, damaged, or it holds anything but data.
    """
    data = _bytes_of(path)
    return _array(memoryview(data), str(path))


def read_npz(path: Path) -> dict[str, Any]:
    """The arrays of a file by name, as of `read_npy`."""
    data = _bytes_of(path)
    found: dict[str, Any] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                if not info.filename.endswith(".npy"):
                    continue
                if info.file_size > min(LARGEST, 1100 * len(data)):  # deflate shrinks to a thousandth at best
                    raise DataError(f"{path}: {info.filename} claims {info.file_size} bytes")
                with archive.open(info) as part:
                    content = part.read(info.file_size + 1)
                found[info.filename.removesuffix(".npy")] = _array(memoryview(content), f"{path}: {info.filename}")
    except DataError:
        raise
    except Exception as error:  # zipfile fails in many ways on damaged archives
        raise DataError(f"{path}: damaged or no .npz file ({_words(error)}); download or copy it again") from error
    return found


def _bytes_of(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise DataError(f"{path}: {size} bytes are more than an index file holds; is this the right file?")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def _array(data: memoryview, where: str) -> Any:
    try:
        shape, fortran, dtype, start = _header(data)
        if dtype.hasobject:
            if dtype != np.dtype(object):
                raise DataError(f"{where}: records with Python objects inside are not read")
            return _objects(bytes(data[start:]), shape, where)
        if dtype.kind not in _PLAIN_KINDS or dtype.fields is not None or not dtype.itemsize:
            raise DataError(f"{where}: an array of {dtype}, which is neither numbers nor text")
        count = math.prod(shape)
        if count * dtype.itemsize > len(data) - start:
            raise DataError(
                f"{where}: cut short: {len(data) - start} bytes for {count} entries of {dtype}; copy it again"
            )
        return _sound(np.frombuffer(data, dtype, count, start)).reshape(shape, order="F" if fortran else "C")
    except DataError:
        raise
    except Exception as error:  # NumPy fails in many ways on damaged headers
        raise DataError(f"{where}: damaged or no .npy file ({_words(error)}); download or copy it again") from error


def _sound(flat: np.ndarray) -> np.ndarray:
    """The same, unless its texts hold numbers that are no characters: Python breaks on such strings later."""
    if flat.dtype.kind == "U" and flat.view(f"{flat.dtype.byteorder}u4").max(initial=0) > sys.maxunicode:
        raise ValueError("texts with numbers that are no characters")
    return flat


def _header(data: memoryview) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """(shape, Fortran order, dtype, where the numbers start)."""
    stream = io.BytesIO(bytes(data[: 12 + 65_536]))
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"format version {version}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy remarks on headers that Python 2 wrote
        shape, fortran, dtype = readers[version](stream)
    if any(side < 0 for side in shape):
        raise ValueError(f"shape {shape}")
    return tuple(int(side) for side in shape), bool(fortran), dtype, stream.tell()


def _objects(data: bytes, shape: tuple[int, ...], where: str) -> Any:
    """The pickled array of objects after a header, as nested lists of the header's shape."""
    _check_opcodes(data, where)
    try:
        flat = _Opener(len(data) + 64).open(_Unpickler(io.BytesIO(data), encoding="latin1").load())
    except Exception as error:  # damaged pickles fail in every possible way
        raise DataError(f"{where}: damaged array of objects ({_words(error)}); download or copy it again") from error
    if isinstance(flat, np.ndarray):
        flat = flat.ravel().tolist()
    if not isinstance(flat, list) or len(flat) != math.prod(shape):
        raise DataError(f"{where}: the objects do not fill the shape {shape}; download or copy it again")
    return _nested(flat, shape)


def _nested(flat: list[Any], shape: tuple[int, ...]) -> Any:
    if len(shape) <= 1:
        return flat
    step = math.prod(shape[1:])
    return [_nested(flat[start : start + step], shape[1:]) for start in range(0, len(flat), max(step, 1))]


def _check_opcodes(data: bytes, where: str) -> None:
    """Refuse what could do anything but build data, and memo slots beyond what was put (they would take memory)."""
    try:
        puts = 0
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name not in _HARMLESS:
                raise DataError(
                    f"{where}: its objects are built by '{opcode.name}', which data does not need; not read"
                )
            if opcode.name in _MEMO_PUTS:
                puts += 1
                if int(argument or 0) > 2 * puts + 16:
                    raise DataError(f"{where}: damaged array of objects (memo slot {argument})")
    except DataError:
        raise
    except Exception as error:  # cut short, or no pickle at all
        raise DataError(f"{where}: damaged array of objects ({_words(error)}); download or copy it again") from error


class _Dtype:
    """Stands for `numpy.dtype`: plain numbers, text, or objects in a list."""

    def __init__(self, code: Any = None, *ignored: object) -> None:
        if not isinstance(code, str) or len(code) > 16:
            raise pickle.UnpicklingError("a NumPy type that is not named by text")
        self.dtype = np.dtype(code)
        if self.dtype.fields is not None or self.dtype.kind not in f"{_PLAIN_KINDS}O":
            raise pickle.UnpicklingError(f"NumPy values of the type {code!r}")

    def __setstate__(self, state: Any) -> None:
        if self.dtype.kind != "O" and state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands for `numpy.ndarray`; `value` is a plain array or a list of objects."""

    def __init__(self) -> None:
        self.value: Any = []

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, _Dtype):
            raise pickle.UnpicklingError("an array without a type")
        if dtype.dtype.kind == "O":
            if not isinstance(data, list):
                raise pickle.UnpicklingError("an array of objects without a list of them")
            self.value = data
            return
        raw = data.encode("latin1") if isinstance(data, str) else data  # Python 2 wrote bytes as text
        if not isinstance(raw, bytes):
            raise pickle.UnpicklingError("an array that is not stored as bytes")
        if not dtype.dtype.itemsize:
            raise pickle.UnpicklingError("an array of entries without size")
        self.value = _sound(np.frombuffer(raw, dtype.dtype)).reshape(shape, order="F" if fortran else "C")


def _scalar(dtype: Any, data: Any = b"") -> Any:
    raw = data.encode("latin1") if isinstance(data, str) else data
    if (
        not isinstance(dtype, _Dtype)
        or dtype.dtype.kind == "O"
        or not isinstance(raw, bytes)
        or not dtype.dtype.itemsize
    ):
        raise pickle.UnpicklingError("a NumPy number that is not stored as bytes")
    return _sound(np.frombuffer(raw, dtype.dtype, 1))[0]


def _encoded(text: Any, encoding: Any = "latin1") -> bytes:
    """Stands for `_codecs.encode`, by which old pickles write bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError("text in an encoding that NumPy does not write")
    return text.encode("latin1")


def _begin(*ignored: object) -> _Array:
    """Stands for NumPy's `_reconstruct`."""
    return _Array()


_STAND_INS: dict[str, Any] = {"numpy.ndarray": _Array, "numpy.dtype": _Dtype, "_codecs.encode": _encoded}
for _module in ("numpy.core", "numpy._core"):  # the spelling before and since NumPy 2
    _STAND_INS |= {f"{_module}.multiarray._reconstruct": _begin, f"{_module}.multiarray.scalar": _scalar}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        stand_in = _STAND_INS.get(f"{module}.{name}")
        if stand_in is None:
            raise pickle.UnpicklingError(
                f"'{module}.{name}' is no data; reading it could run code, so nothing was read"
            )
        return stand_in


class _Opener:
    """Replaces stand-ins by what they hold, visiting no more entries than a file of its size could mean."""

    def __init__(self, budget: int) -> None:
        self.budget = budget

    def open(self, value: Any, depth: int = 0) -> Any:
        self.budget -= 1
        if depth > 5 or self.budget < 0:
            raise pickle.UnpicklingError("lists inside lists without end")
        if isinstance(value, _Array):
            return self.open(value.value, depth) if isinstance(value.value, list) else value.value
        if isinstance(value, (list, tuple)):
            return [self.open(item, depth + 1) for item in value]
        if isinstance(value, _Dtype) or callable(value):
            raise pickle.UnpicklingError("something that is no data")
        return value


def _words(error: Exception) -> str:
    return (str(error).strip().split("\n")[0] or type(error).__name__)[:160]
