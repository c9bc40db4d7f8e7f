"""PyTorch's pickles read as data: tensors, plain containers, NumPy numbers, options. Nothing in a file is ever run."""

import argparse
import io
import pathlib
import pickletools
import re
import threading
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from vprkit.errors import WeightsError
from vprkit.weights.numpy_data import PickledArray, PickledDtype, reconstruct, scalar
from vprkit.weights.sniffing import FileFormat, zip_root

_LOCK = threading.Lock()  # torch keeps the allowed names in one global set
_SCANNED = 64 * 2**20
_TORCH_OWN = re.compile(
    r"torch\.(\w*Storage|\w*Tensor|Size|device|bfloat16|\w+\d+|bool|storage\.(Unt|T)ypedStorage|_utils\._rebuild_\w+)"
)
_PLAIN = {"collections.OrderedDict", "collections.Counter", "torch.nn.parameter.Parameter", "_codecs.encode"}
_PLAIN |= {"builtins.bytearray", "builtins.set", "builtins.complex", "torch._tensor._rebuild_from_type_v2"}


class _Mapping:
    """Stands for dictionary classes: what is made in its name is a plain dict."""

    def __new__(cls, *ignored: object) -> Any:
        return {}


def _allowed() -> dict[str, Any]:
    """Global name in a pickle -> what stands for it. All of it only holds data."""
    allowed: dict[str, Any] = {
        "argparse.Namespace": argparse.Namespace,
        "collections.defaultdict": _Mapping,
        "numpy.ndarray": PickledArray,
        "numpy.dtype": PickledDtype,
        "builtins.bytes": bytes,
        "builtins.dict": dict,
        "builtins.list": list,
        "builtins.int": int,
        "builtins.float": float,
    }
    for package in ("lightning.pytorch", "pytorch_lightning", "lightning.fabric"):
        allowed[f"{package}.utilities.parsing.AttributeDict"] = _Mapping
        allowed[f"{package}.utilities.data.AttributeDict"] = _Mapping
    for module in ("numpy.core", "numpy._core"):  # the spelling before and since NumPy 2
        allowed[f"{module}.multiarray._reconstruct"] = reconstruct
        allowed[f"{module}.multiarray.scalar"] = scalar
    for kind in ("Posix", "Windows"):
        pure = getattr(pathlib, f"Pure{kind}Path")
        for name in (f"pathlib.{kind}Path", f"pathlib.Pure{kind}Path", f"pathlib._local.{kind}Path"):
            allowed[name] = pure  # a pure path names a file and cannot touch it
    return allowed


def load_pickle(path: Path, form: FileFormat) -> Any:
    """The content of a file that `torch.save` wrote, on the CPU.

    Raises:
        WeightsError: it holds anything but data, or is damaged.
    """
    listed: list[Any] = [(stand_in, name) for name, stand_in in _allowed().items()]
    try:
        with _LOCK, torch.serialization.safe_globals(listed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError as error:
        raise WeightsError(f"{path} asks for more memory than there is") from error
    except Exception as error:  # damaged pickles fail in every possible way
        raise WeightsError(_why(path, form, error)) from error


def _why(path: Path, form: FileFormat, error: Exception) -> str:
    foreign = [name for name in _globals_in(path, form) if not _is_data(name)]
    if any(name.startswith("torch.nn.modules.") for name in foreign):
        return (
            f"{path} holds a pickled module, not weights: reading it would run code ({_shortened(foreign)}), so "
            "nothing was read. Open it with the program that wrote it, save its state_dict(), and load that file"
        )
    if foreign:
        return (
            f"{path} holds Python objects that are not data ({_shortened(foreign)}); reading them could run code, so "
            "nothing was read. Use a file of another source, or one that holds a state_dict only"
        )
    inner = error.__context__ or error  # torch wraps the reason into advice to run the file's code
    reason = str(inner).strip().split("\n")[0][:160] or type(inner).__name__
    return f"{path} is damaged or no PyTorch weights file ({reason}); download or copy it again"


def _is_data(name: str) -> bool:
    return name in _allowed() or name in _PLAIN or _TORCH_OWN.fullmatch(name) is not None


def _shortened(names: list[str]) -> str:
    unique = list(dict.fromkeys(names))
    more = f" and {len(unique) - 3} more" if len(unique) > 3 else ""
    return ", ".join(f"'{name}'" for name in unique[:3]) + more


def _globals_in(path: Path, form: FileFormat) -> list[str]:
    """Names a pickle refers to, found without unpickling; as many as can be read of a damaged one."""
    names: list[str] = []
    try:
        names.extend(_scan(_pickle_bytes(path, form)))
    except (ValueError, OSError, RuntimeError, WeightsError, zipfile.BadZipFile):
        return names
    return names


def _pickle_bytes(path: Path, form: FileFormat) -> bytes:
    if form is FileFormat.TORCH_LEGACY:
        with path.open("rb") as file:
            return file.read(_SCANNED)
    with zipfile.ZipFile(path) as archive, archive.open(f"{zip_root(archive, path)}data.pkl") as part:
        return part.read(_SCANNED)


def _scan(data: bytes) -> Iterator[str]:
    """Globals of the pickles that follow each other in `data`."""
    stream = io.BytesIO(data)
    while stream.tell() < len(data):
        strings: list[str] = []
        memo: dict[int, str] = {}
        try:
            for opcode, argument, _ in pickletools.genops(stream):
                if opcode.name in ("GLOBAL", "INST"):
                    yield str(argument).replace(" ", ".", 1).replace("__builtin__.", "builtins.")
                elif opcode.name == "STACK_GLOBAL":
                    yield ".".join(strings[-2:])
                elif isinstance(argument, str):
                    strings.append(argument)
                elif opcode.name == "MEMOIZE" and strings:
                    memo[len(memo)] = strings[-1]
                elif opcode.name.endswith("GET") and argument in memo:
                    strings.append(memo[argument])
        except Exception:  # raw storages follow the pickles of a legacy file
            return
