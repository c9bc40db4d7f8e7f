"""`map.json`: how a map's method is loaded again, and which index it wants."""

import json
from pathlib import Path
from typing import Any

import vprkit
from vprkit.errors import ConfigError, StoreError
from vprkit.loading import load_method
from vprkit.method import Method
from vprkit.preprocessing import Preprocessing

FORMAT = 1


def settings_of(method: Method, index: str) -> dict[str, Any]:
    return {
        "format": FORMAT, "vprkit": vprkit.__version__, "index": index,
        "method": {"name": method.name, "configuration": method.configuration,
                   "preprocessing": method.preprocessing.to_dict(),
                   "weights": None if method.weights is None else method.weights.path},
    }  # fmt: skip


def read_settings(folder: Path) -> dict[str, Any]:
    try:
        settings: dict[str, Any] = json.loads((folder / "map.json").read_text(encoding="utf-8"))
        settings["method"]["name"], settings["index"]
    except FileNotFoundError:
        raise StoreError(f"{folder}: there is no map here (no map.json); make one with `vpr map build`") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{folder}/map.json cannot be read ({error})") from error
    if settings.get("format") != FORMAT:
        raise StoreError(f"{folder} has map format {settings.get('format')}, this vprkit reads {FORMAT}")
    return settings


def load_described(
    described: dict[str, Any], folder: Path, weights: str | Path | None, device: str, precision: str
) -> Method:
    file = weights or described["weights"]
    if weights is None and file is not None and Path(file).is_absolute() and not Path(file).exists():
        file = Path(file).name  # the map came from elsewhere: the weights folder may have it
    try:
        return load_method(
            described["name"],
            weights=file,
            device=device,
            precision=precision,
            preprocessing=Preprocessing.from_dict(described["preprocessing"]),
            **described["configuration"],
        )
    except ConfigError as error:
        raise StoreError(
            f"{folder} was made with the method '{described['name']}', which cannot be loaded by name "
            f"({error}). Pass it: Map.open(path, method=...)"
        ) from error
