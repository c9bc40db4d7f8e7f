"""Archives of `torch.save` and TorchScript as data: storages and stubs of modules. Nothing in them is ever run."""

import io
import math
import pickle
import zipfile
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vprkit.errors import WeightsError

_DTYPES = {
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}


class Stub:
    """Stands for a module: a bag of attributes."""

    attributes: dict[str, Any]

    def __new__(cls, *ignored: object) -> "Stub":
        made = super().__new__(cls)
        made.attributes = {}
        return made

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.attributes = {str(name): value for name, value in state.items()}


class Function:
    """A function a pickle may call; unlike a real one it cannot be altered by the pickle."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("a function was to be altered")


def same(value: Any, *ignored: object) -> Any:
    """The first argument."""
    return value


def _rebuild_tensor(storage: Tensor, offset: int, size: Any, stride: Any, *ignored: object) -> Tensor:
    if math.prod(size) > storage.numel():
        raise pickle.UnpicklingError(f"a tensor of {tuple(size)} on a storage of {storage.numel()} values")
    return storage.as_strided(tuple(size), tuple(stride), offset)


_SHARED: dict[str, Any] = {
    "torch._utils._rebuild_tensor_v2": Function(_rebuild_tensor),
    "collections.OrderedDict": OrderedDict,
}


class ArchiveUnpickler(pickle.Unpickler, ABC):
    """Knows tensors and storages, and what a reader adds; refuses every other name.

    Args:
        archive: the open file.
        root: folder inside it, with a slash at the end.
        path: what messages call the file.
    """

    def __init__(self, archive: zipfile.ZipFile, root: str, path: Path) -> None:
        super().__init__(io.BytesIO(archive.read(f"{root}data.pkl")))
        self._archive, self._root, self._path = archive, root, path
        self._storages: dict[str, Tensor] = {}

    @abstractmethod
    def known(self, name: str) -> Any:
        """What stands for a global name that this reader allows; None where it does not."""

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        for found in (_DTYPES.get(full), _SHARED.get(full), self.known(full)):
            if found is not None:
                return found
        raise WeightsError(
            f"{self._path} holds the Python object '{full}', which is not data; reading it could run code, so nothing "
            "was read. Use a file of another source, or one that holds a state_dict only"
        )

    def persistent_load(self, reference: Any) -> Tensor:
        kind, dtype, key, _, count = reference
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise WeightsError(f"{self._path} refers to '{kind}', which is no tensor storage")
        if key not in self._storages:
            self._storages[key] = self._storage(str(key), dtype, int(count))
        return self._storages[key]

    def _storage(self, key: str, dtype: torch.dtype, count: int) -> Tensor:
        names = set(self._archive.namelist())
        place = next((p for p in (f"{self._root}{d}/{key}" for d in ("data", "constants")) if p in names), None)
        if place is None:
            raise WeightsError(f"{self._path} lacks its storage '{key}'; copy it again")
        data = bytearray(self._archive.read(place))
        wanted = count * dtype.itemsize
        if len(data) < wanted:
            raise WeightsError(
                f"{self._path}: storage '{key}' has {len(data)} bytes, {wanted} are needed; copy it again"
            )
        return torch.frombuffer(data, dtype=dtype, count=count) if count else torch.empty(0, dtype=dtype)
