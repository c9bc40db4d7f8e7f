"""Where a protocol's data set lies, when only a folder of many sets is known."""

import os
from pathlib import Path

from vprkit.data.protocols import Protocol, owns
from vprkit.errors import DataError

VARIABLE = "VPRKIT_DATASETS"

SHARED = {"pitts30k": ("pitts250k",), "pitts250k": ("pitts30k",)}
"""Families that lie in one folder as distributed."""


def data_set_of(protocol: Protocol) -> Path:
    """The folder of the set in `$VPRKIT_DATASETS` (or `datasets` here), told by its name.

    Raises:
        DataError: there is none; what was looked for and where to get it is said.
    """
    root = Path(os.environ.get(VARIABLE) or "datasets")
    owners = [protocol.family, *SHARED.get(protocol.family, ())]
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir()) if root.is_dir() else []
    found = next((folder for owner in owners for folder in folders if owns(owner, folder.name)), None)
    if found is None:
        from vprkit.data.catalogue import CATALOGUE

        source = next((row.source for row in CATALOGUE if row.name == protocol.family), "its authors")
        raise DataError(
            f"{root}: holds no folder named like '{protocol.family}'; pass --data FOLDER or set {VARIABLE}. "
            f"The set is to be had from {source}"
        )
    return found
