"""NumPy numbers and arrays of a pickle, rebuilt from their bytes.

A pickle may call whatever stands for the names in it. NumPy's own constructors are not made for hostile arguments (an
array of objects over a byte buffer dereferences the bytes), so these stand-ins take plain numbers and text only.
"""

import pickle
from typing import Any

import numpy as np

_PLAIN_KINDS = "?biufcSU"


class PickledDtype:
    """Stands for `numpy.dtype`: a plain number or text type."""

    def __init__(self, code: str, *ignored: object) -> None:
        if not isinstance(code, str):
            raise pickle.UnpicklingError("a NumPy dtype that is not named by text")
        self.dtype = np.dtype(code)
        if self.dtype.kind not in _PLAIN_KINDS or self.dtype.fields is not None:
            raise pickle.UnpicklingError(f"NumPy values of the kind {code!r}, which are no numbers or text")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1]
        if order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(order)


class PickledArray:
    """Stands for `numpy.ndarray`; `value` is the array."""

    def __init__(self, *ignored: object) -> None:
        self.value = np.empty(0)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        flat = np.frombuffer(_raw(data), dtype=_plain(dtype))
        self.value = flat.reshape(shape, order="F" if fortran else "C")


def reconstruct(*ignored: object) -> PickledArray:
    """Stands for `numpy._core.multiarray._reconstruct`."""
    return PickledArray()


def scalar(dtype: PickledDtype, data: Any = b"") -> Any:
    """Stands for `numpy._core.multiarray.scalar`: one number or text, as a NumPy scalar."""
    plain = _plain(dtype)
    return np.frombuffer(_raw(data), dtype=plain, count=1)[0] if plain.itemsize else plain.type()


def _plain(dtype: Any) -> np.dtype[Any]:
    if not isinstance(dtype, PickledDtype):
        raise pickle.UnpicklingError("a NumPy value without a plain dtype")
    return dtype.dtype


def _raw(data: Any) -> bytes:
    if not isinstance(data, bytes):
        raise pickle.UnpicklingError("a NumPy value that is not stored as bytes")
    return data
