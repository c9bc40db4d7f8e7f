"""The tensors of a TorchScript archive (OpenAI's CLIP files), read as a zip; the program in it is never loaded."""

import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from vprkit.errors import WeightsError
from vprkit.weights.archive_objects import ArchiveUnpickler, Function, Stub, same
from vprkit.weights.sniffing import zip_root

_DEEPEST = 100

_FUNCTIONS: dict[str, Any] = {
    "torch.jit._pickle.restore_type_tag": Function(same),
    "torch.jit._pickle.build_intlist": Function(list),
    "torch.jit._pickle.build_doublelist": Function(list),
    "torch.jit._pickle.build_boollist": Function(list),
    "torch.jit._pickle.build_tensorlist": Function(list),
}


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """Parameters and buffers of the archive by dotted name, on the CPU, in their stored precision.

    Raises:
        WeightsError: the archive is damaged or holds something that is not data.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            content = _Unpickler(archive, zip_root(archive, path), path).load()
            return dict(_tensors(content, "", 0))
    except WeightsError:
        raise
    except MemoryError as error:
        raise WeightsError(f"{path} asks for more memory than there is") from error
    except Exception as error:  # damaged archives fail in every possible way
        raise WeightsError(f"{path} is a TorchScript archive that cannot be read ({error}); copy it again") from error


class _Unpickler(ArchiveUnpickler):
    """Knows scripted modules and the lists of their attributes."""

    def known(self, name: str) -> Any:
        return Stub if name.startswith("__torch__.") else _FUNCTIONS.get(name)


def _tensors(value: Any, name: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, Stub):
        if depth > _DEEPEST:
            raise pickle.UnpicklingError("modules within modules without end")
        for key, item in value.attributes.items():
            yield from _tensors(item, f"{name}.{key}" if name else key, depth + 1)
