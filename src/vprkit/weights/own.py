"""vprkit's own weights files: safetensors, with a JSON header that says which method they are and how to use it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from vprkit import __version__, config
from vprkit.errors import ConfigError, WeightsError
from vprkit.files import replacing
from vprkit.preprocessing import Preprocessing
from vprkit.registry import Metric

_KEY = "vprkit"


@dataclass(frozen=True)
class Header:
    """What a weights file of vprkit says about itself.

    Attributes:
        method: method or variant name.
        configuration: every option of the network.
        preprocessing: how its images are prepared.
        metric: `ip` or `l2`.
        licence: of the weights, empty where unknown.
        version: of the vprkit that wrote the file.
        notes: anything else worth keeping (recipe, epoch, recalls).
    """

    method: str
    configuration: dict[str, Any]
    preprocessing: Preprocessing
    metric: Metric
    licence: str = ""
    version: str = __version__
    notes: dict[str, Any] = field(default_factory=dict)

    def to_metadata(self) -> dict[str, str]:
        """As the text-only metadata of a safetensors file."""
        return {"format": "pt", _KEY: json.dumps(config.to_dict(self), sort_keys=True)}

    @staticmethod
    def from_metadata(metadata: Mapping[str, str], path: Path) -> "Header | None":
        """Read it back; None where the file is not vprkit's.

        Raises:
            WeightsError: there is a header, but not a readable one.
        """
        text = metadata.get(_KEY)
        if text is None:
            return None
        try:
            return config.from_dict(Header, json.loads(text), "header")
        except (ValueError, ConfigError) as error:
            raise WeightsError(
                f"{path} has a vprkit header that this version ({__version__}) cannot read: {error}"
            ) from error


def save(path: str | Path, state: Mapping[str, Tensor], header: Header, *, overwrite: bool = False) -> Path:
    """Write a weights file in vprkit's own format; a crash leaves the old file or the new one, never half of it.

    Raises:
        WeightsError: the file exists and `overwrite` is not set, or it cannot be written.
    """
    target = Path(path)
    check_target(target, overwrite)
    # clone: tied weights share memory, which the format refuses
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    try:
        with replacing(target) as temporary:
            temporary.touch()
            usual = temporary.stat().st_mode  # safetensors makes a file of its own that only its owner may read
            safetensors.torch.save_file(tensors, temporary, metadata=header.to_metadata())
            temporary.chmod(usual)
    except OSError as error:
        raise WeightsError(f"{target} cannot be written: {error.strerror or error}") from error
    return target


def check_target(path: Path, overwrite: bool) -> None:
    """Refuse to replace a file unless that was asked for.

    Raises:
        WeightsError: it exists and `overwrite` is not set, or it does not end in .safetensors.
    """
    if path.suffix != ".safetensors":
        raise WeightsError(f"{path} should end in .safetensors, which is what vprkit writes")
    if path.exists() and not overwrite:
        raise WeightsError(f"{path} exists already; choose another name, or ask for overwriting (overwrite=True)")
