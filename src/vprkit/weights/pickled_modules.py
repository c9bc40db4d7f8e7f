"""Modules that a program pickled whole (`torch.save(module)`), read as data: their tensors, never their class."""

import pickle
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from vprkit.errors import WeightsError
from vprkit.weights.archive_objects import ArchiveUnpickler, Function, Stub, same
from vprkit.weights.sniffing import FileFormat, sniff, zip_root

_PLAIN: dict[str, Any] = {
    "torch._utils._rebuild_parameter": Function(same),
    "__builtin__.set": set,
    "builtins.set": set,
}


def read_modules(path: Path, classes: Collection[str]) -> list[dict[str, Tensor]]:
    """Parameters and buffers of a pickled list of modules, by their own names; sub-modules are left out.

    Args:
        path: a zip that `torch.save` wrote.
        classes: full names of the modules that may be in it; a stub stands for each.

    Raises:
        WeightsError: it is damaged, holds anything else, or is no list of modules.
    """
    if sniff(path) is not FileFormat.TORCH_ZIP:
        raise WeightsError(f"{path} is no file of torch.save; a pickled list of {' or '.join(classes)} was expected")
    try:
        with zipfile.ZipFile(path) as archive:
            content = _Unpickler(archive, zip_root(archive, path), path, classes).load()
            return [_tensors(module, path) for module in _listed(content, path)]
    except WeightsError:
        raise
    except MemoryError as error:
        raise WeightsError(f"{path} asks for more memory than there is") from error
    except Exception as error:  # damaged archives fail in every possible way
        raise WeightsError(f"{path} cannot be read as pickled modules ({error}); copy it again") from error


class _Unpickler(ArchiveUnpickler):
    def __init__(self, archive: zipfile.ZipFile, root: str, path: Path, classes: Collection[str]) -> None:
        super().__init__(archive, root, path)
        self._classes = classes

    def known(self, name: str) -> Any:
        return Stub if name in self._classes else _PLAIN.get(name)


def _listed(content: object, path: Path) -> Sequence[Stub]:
    if not isinstance(content, list) or not content or not all(isinstance(item, Stub) for item in content):
        raise WeightsError(f"{path} holds no list of modules")
    return content


def _tensors(module: Stub, path: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for part in ("_parameters", "_buffers"):
        values = module.attributes.get(part)
        if not isinstance(values, Mapping):
            raise pickle.UnpicklingError(f"a module without {part}")
        found |= {str(name): value for name, value in values.items() if isinstance(value, Tensor)}
    return found
