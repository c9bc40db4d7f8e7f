"""What a layout is: a way to find a database and its queries under a folder. One file of this package per layout."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vprkit.data.records import Records


@dataclass(frozen=True)
class Roles:
    """Database and queries as a layout found them; `root` holds them and, where there is one, `ground_truth.csv`."""

    root: Path
    database: Records
    queries: Records
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """A way to lay out an evaluation set on disk.

    Attributes:
        name, summary: for `vpr data list`.
        read: `(folder, split, queries folder or None) -> Roles`, or None where the folder is not of this layout.
        order: layouts are tried in ascending order; the more specific come first.
    """

    name: str
    summary: str
    read: Callable[[Path, str, str | None], Roles | None]
    order: int = 50


def layouts() -> list[Layout]:
    """Every layout: each module of this package that has a `LAYOUT`."""
    package = importlib.import_module("vprkit.data.layouts")
    modules = (
        importlib.import_module(f"vprkit.data.layouts.{info.name}") for info in pkgutil.iter_modules(package.__path__)
    )
    found = [module.LAYOUT for module in modules if hasattr(module, "LAYOUT")]
    return sorted(found, key=lambda layout: (layout.order, layout.name))


def split_folders(path: Path, split: str) -> list[Path]:
    """Where a split may lie: `path/images/<split>`, `path/<split>`, or `path` itself."""
    candidates = [path / "images" / split, path / split, path]
    return [folder for folder in candidates if folder.is_dir()]
