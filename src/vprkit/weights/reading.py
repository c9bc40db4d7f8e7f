"""One way in: any weights file to named tensors on the CPU. Nothing in the file is ever run."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import safetensors
import torch
from torch import Tensor

from vprkit.errors import WeightsError
from vprkit.registry import Shapes
from vprkit.weights.matlab import read_matlab
from vprkit.weights.own import Header
from vprkit.weights.pickles import load_pickle
from vprkit.weights.sniffing import FileFormat, sniff
from vprkit.weights.torchscript import read_torchscript
from vprkit.weights.unwrapping import Unwrapped, unwrap

_LARGEST_GROWTH = 16  # tensors may share storages (tied weights), but not pretend to be far larger than the file
_SMALL = 2**24


@dataclass(frozen=True)
class Checkpoint:
    """A weights file as read.

    Attributes:
        path: where it lies.
        format: what it is.
        state: parameter name -> tensor on the CPU, wrappers and prefixes stripped, stored precision.
        wrapper: wrappers opened and prefixes stripped, outermost first.
        beside: names of what else it holds.
        header: vprkit's own header, None in foreign files.
    """

    path: Path
    format: FileFormat
    state: dict[str, Tensor]
    wrapper: tuple[str, ...]
    beside: tuple[str, ...]
    header: Header | None

    @property
    def shapes(self) -> Shapes:
        """Parameter name -> shape."""
        return {name: tuple(tensor.shape) for name, tensor in self.state.items()}


def read(path: str | Path) -> Checkpoint:
    """Read a weights file: safetensors, what `torch.save` wrote (as data only), a TorchScript archive's or a MATLAB
    file's tensors.

    Raises:
        NotAvailable: there is no such file.
        WeightsError: it is unsafe, damaged, or no weights file.
    """
    place = Path(path)
    form = sniff(place)
    header = None
    if form is FileFormat.SAFETENSORS:
        tensors, header = _read_safetensors(place)
        content = Unwrapped(tensors) if header else unwrap(tensors, str(place))
    elif form is FileFormat.TORCHSCRIPT:
        content = Unwrapped(read_torchscript(place))
    elif form is FileFormat.MATLAB:
        content = Unwrapped(read_matlab(place))
    else:
        content = unwrap(load_pickle(place, form), str(place))
    _check_growth(content.state, place)
    return Checkpoint(place, form, content.state, content.wrapper, content.beside, header)


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], Header | None]:
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            header = Header.from_metadata(file.metadata() or {}, path)
            return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise WeightsError(f"{path} is a damaged safetensors file ({error}); download or copy it again") from error


def _check_growth(state: dict[str, Tensor], path: Path) -> None:
    if not state:
        raise WeightsError(f"{path} holds no tensors")
    claimed = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    if claimed > _LARGEST_GROWTH * path.stat().st_size + _SMALL:
        raise WeightsError(f"{path} claims tensors of {claimed} bytes, far more than the file holds; it is not read")
    if any(tensor.layout is not torch.strided or tensor.is_meta or tensor.is_quantized for tensor in state.values()):
        raise WeightsError(f"{path} holds sparse or quantised tensors; save them as plain tensors")
