"""What an evaluation was computed with: versions, device, precision, threads."""

import platform
from typing import Any

import faiss
import numpy as np
import torch

import vprkit
from vprkit import device as devices
from vprkit.method import Method


def environment(method: Method | None) -> dict[str, Any]:
    """Of this process; device and precision where there is a method."""
    versions: dict[str, Any] = {
        "vprkit": vprkit.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "faiss": faiss.__version__,
    }
    if method is None:
        return versions
    if method.device.type == "cpu":
        versions |= {"fast_fp32": devices.enable_fast_fp32(), "fast_bf16": devices.cpu_has_fast_bf16()}
    return {**versions, "device": method.device.type, "precision": method.precision, "threads": torch.get_num_threads()}
