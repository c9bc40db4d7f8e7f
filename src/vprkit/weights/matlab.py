"""MATLAB files (up to version 7) as named tensors: `net.layers{1}.weights{2}` becomes `net.layers.0.weights.1`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.io import loadmat
from torch import Tensor

from vprkit.errors import WeightsError

_DEEPEST = 12


def read_matlab(path: Path) -> dict[str, Tensor]:
    """Every numeric array in structs and cells, axes of length one squeezed; functions and texts are left out.

    Raises:
        WeightsError: it is damaged, or of version 7.3.
    """
    try:
        content = loadmat(path, struct_as_record=False, squeeze_me=True)
    except NotImplementedError as error:
        raise WeightsError(f"{path} is a MATLAB 7.3 file; save it with -v7 in MATLAB") from error
    except Exception as error:  # scipy raises many kinds on damaged files
        raise WeightsError(f"{path} is a damaged MATLAB file ({error}); download or copy it again") from error
    found: dict[str, Tensor] = {}
    for name, value in content.items():
        if not name.startswith("__"):
            found.update(_tensors(name, value, 0))
    return found


def _tensors(name: str, value: Any, depth: int) -> Iterator[tuple[str, Tensor]]:
    if depth > _DEEPEST:
        return
    if hasattr(value, "_fieldnames"):
        for field in value._fieldnames:
            yield from _tensors(f"{name}.{field}", getattr(value, field), depth + 1)
    elif isinstance(value, np.ndarray) and value.dtype == object:
        for number, item in enumerate(value.flat):
            yield from _tensors(f"{name}.{number}", item, depth + 1)
    elif isinstance(value, (np.ndarray, np.number, int, float)) and np.asarray(value).dtype.kind in "fiu":
        array = np.ascontiguousarray(value)
        kind = array.dtype.newbyteorder("=")
        yield name, torch.from_numpy(array.astype(np.int64 if kind.kind == "u" else kind)).reshape(np.shape(value))
