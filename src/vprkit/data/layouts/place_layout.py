"""What a layout of a training set is: a way to find images and the places they show. One file of this package each."""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vprkit.data.records import Records


class PlaceTable(NamedTuple):
    """Records with (N,) int64 labels, groups and recency; see `vprkit.data.places.PlaceSet`."""

    records: Records
    labels: np.ndarray
    groups: np.ndarray
    recency: np.ndarray


@dataclass(frozen=True)
class PlaceLayout:
    """A way to lay out a training set on disk.

    Attributes:
        name, summary: for `vpr data list`.
        read: `(folder, groups or None) -> PlaceTable`, or None where the folder is not of this layout.
    """

    name: str
    summary: str
    read: Callable[[Path, Sequence[str] | None], PlaceTable | None]


def place_layouts() -> list[PlaceLayout]:
    """Every training layout: each module of this package that has a `PLACES`."""
    package = importlib.import_module("vprkit.data.layouts")
    modules = (importlib.import_module(f"vprkit.data.layouts.{info.name}")
               for info in pkgutil.iter_modules(package.__path__))  # fmt: skip
    return sorted((module.PLACES for module in modules if hasattr(module, "PLACES")), key=lambda layout: layout.name)
