"""The folder of a training run as weights: which of its files is meant."""

from pathlib import Path

from vprkit.errors import NotAvailable, WeightsError
from vprkit.weights.fetching import find

FACTS, STATE = "run.json", "last.ckpt"
"""What a run is told by, and its state for going on: no weights file."""

_MEANT = ("best-1.safetensors", "last.safetensors")


def holds_run(folder: str | Path) -> bool:
    """Whether a training run lives in this folder."""
    return (Path(folder).expanduser() / FACTS).is_file()


def weights_of(place: str | Path) -> Path:
    """The weights file that a file or the folder of a run stands for: the best, else the last.

    Raises:
        NotAvailable: there is none.
        WeightsError: it is the state that a run goes on from.
    """
    folder = Path(place).expanduser()
    if not folder.is_dir():
        path = find(place)
        if path.name == STATE and holds_run(path.parent):
            beside = [str(path.with_name(name)) for name in _MEANT if path.with_name(name).is_file()]
            instead = f"use {' or '.join(beside)}" if beside else "this run has written no weights yet"
            raise WeightsError(f"{place} is the state that training goes on from, not weights; {instead}")
        return path
    for name in _MEANT:
        if (folder / name).is_file():
            return folder / name
    raise NotAvailable(f"{folder} holds neither {' nor '.join(_MEANT)}: has this run written any yet?")
