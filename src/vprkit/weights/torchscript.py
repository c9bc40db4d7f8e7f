"""The tensors of a TorchScript archive (OpenAI's CLIP files), read as a zip; the program in it is never loaded."""

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vprkit.errors import WeightsError
from vprkit.weights.sniffing import zip_root

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
_DEEPEST = 100


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """Parameters and buffers of the archive by dotted name, on the CPU, in their stored precision.

    Raises:
        WeightsError: the archive is damaged or holds something that is not data.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            root = zip_root(archive, path)
            content = _Unpickler(archive, root, path).load()
            return dict(_tensors(content, "", 0))
    except WeightsError:
        raise
    except MemoryError as error:
        raise WeightsError(f"{path} asks for more memory than there is") from error
    except Exception as error:  # damaged archives fail in every possible way
        raise WeightsError(f"{path} is a TorchScript archive that cannot be read ({error}); copy it again") from error


class _Object:
    """Stands for a scripted module: a bag of attributes."""

    attributes: dict[str, Any]

    def __new__(cls, *ignored: object) -> "_Object":
        made = super().__new__(cls)
        made.attributes = {}
        return made

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.attributes = {str(name): value for name, value in state.items()}


class _Function:
    """A function a pickle may call; unlike a real one it cannot be altered by the pickle."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("a function was to be altered")


class _Unpickler(pickle.Unpickler):
    """Knows tensors, storages, plain lists and scripted modules; refuses every other name."""

    def __init__(self, archive: zipfile.ZipFile, root: str, path: Path) -> None:
        super().__init__(io.BytesIO(archive.read(f"{root}data.pkl")))
        self._archive, self._root, self._path = archive, root, path
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if module == "__torch__" or module.startswith("__torch__."):
            return _Object
        if full in _DTYPES:
            return _DTYPES[full]
        if full in _FUNCTIONS:
            return _FUNCTIONS[full]
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


def _rebuild_tensor(storage: Tensor, offset: int, size: Any, stride: Any, *ignored: object) -> Tensor:
    if math.prod(size) > storage.numel():
        raise pickle.UnpicklingError(f"a tensor of {tuple(size)} on a storage of {storage.numel()} values")
    return storage.as_strided(tuple(size), tuple(stride), offset)


def _same(value: Any, *ignored: object) -> Any:
    return value


_FUNCTIONS: dict[str, Any] = {
    "torch._utils._rebuild_tensor_v2": _Function(_rebuild_tensor),
    "collections.OrderedDict": OrderedDict,
    "torch.jit._pickle.restore_type_tag": _Function(_same),
    "torch.jit._pickle.build_intlist": _Function(list),
    "torch.jit._pickle.build_doublelist": _Function(list),
    "torch.jit._pickle.build_boollist": _Function(list),
    "torch.jit._pickle.build_tensorlist": _Function(list),
}


def _tensors(value: Any, name: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, _Object):
        if depth > _DEEPEST:
            raise pickle.UnpicklingError("modules within modules without end")
        for key, item in value.attributes.items():
            yield from _tensors(item, f"{name}.{key}" if name else key, depth + 1)
