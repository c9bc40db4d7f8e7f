"""`map.json`: how a map's method is loaded again, and which index it wants."""

import copy
import dataclasses
import inspect
import json
from pathlib import Path
from typing import Any

import vprkit
from vprkit.backbones.patch_features import PatchConfig
from vprkit.config import from_dict
from vprkit.data.records import Records
from vprkit.errors import ConfigError, NotAvailable, StoreError, VprError
from vprkit.files import is_temporary, write_json
from vprkit.loading import PARTS, load_method
from vprkit.method import Method
from vprkit.preprocessing import Preprocessing
from vprkit.registry import list_methods
from vprkit.rerank.with_patches import GUIDED, with_patches
from vprkit.retrieval.build import rows_of
from vprkit.retrieval.fast import check_rows
from vprkit.retrieval.store import FeatureStore

FILE = "map.json"
FORMAT = 1
INDEXES = ("exact", "fast")


def check_index(index: str | None, records: Records, folder: Path) -> None:
    """Refuse an unknown kind of index, and a fast one of too few images, before anything is loaded or described.

    Args:
        index: as of `Map.build`; None: what the map in `folder` has.
        records: what it would be built of, beside what a map in `folder` holds already.
        folder: of the map.

    Raises:
        ConfigError: as said.
        StoreError: the map there is damaged.
    """
    _check_kind(index)
    if index is None and (folder / FILE).exists():
        index = read(folder)["index"]
    if index != "fast":
        return
    held = FeatureStore.open(folder / "store") if (folder / "store" / "manifest.json").exists() else None
    check_rows(len(records) if held is None else len(held) + int((rows_of(held, records) < 0).sum()))


def check_folder(folder: Path) -> bool:
    """Whether a folder is a map.

    Raises:
        VprError: it is something else, that no map may be put into.
    """
    if (folder / FILE).exists():
        return True
    if folder.exists() and not folder.is_dir():
        raise VprError(f"{folder} is a file; choose another name for the map")
    if folder.exists() and not all(map(is_temporary, folder.iterdir())):
        raise VprError(f"{folder} exists and is no map; choose another folder")
    return False


def _check_kind(index: str | None) -> None:
    if index not in (None, *INDEXES):
        raise ConfigError(f"index '{index}' is unknown; use exact or fast")


def write(folder: Path, method: Method, index: str) -> dict[str, Any]:
    """Write and return the settings of a map; the caller holds its lock."""
    settings = {
        "format": FORMAT, "vprkit": vprkit.__version__, "index": index,
        "method": {"name": method.name, "configuration": method.configuration,
                   "preprocessing": method.preprocessing.to_dict(),
                   "weights": None if method.weights is None else method.weights.path,
                   "adapter": method.weights.adapter if method.weights is not None else ""},
    }  # fmt: skip
    write_json(folder / FILE, settings)
    return settings


def read(folder: Path) -> dict[str, Any]:
    """The settings of the map in `folder`.

    Raises:
        StoreError: there is no map, or its settings are damaged or of a newer format.
    """
    try:
        settings: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if settings["format"] != FORMAT:
            raise StoreError(f"{folder} has map format {settings['format']}, this vprkit reads {FORMAT}")
        _check_kind(settings["index"])
        missing = {"name", "configuration", "preprocessing", "weights"} - settings["method"].keys()
        if missing or "vprkit" not in settings:
            raise ValueError(f"it lacks {', '.join(sorted(missing)) or 'vprkit'}")
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(f"{folder}: there is no map here (no {FILE}); make one with `vpr map build`") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ConfigError) as error:
        raise StoreError(f"{folder}/{FILE} cannot be read ({error}); the map is damaged") from error
    return settings


def load_described(
    described: dict[str, Any], folder: Path, weights: str | Path | None, device: str, precision: str
) -> Method:
    """The method that a map's settings describe.

    Raises:
        StoreError: it is no method that can be loaded by name.
        NotAvailable: its weights are not here.
    """
    try:
        return load_again(described, weights, device, precision)
    except NotAvailable as error:
        made = described["weights"]
        if weights is not None or not made or not Path(made).is_absolute() or Path(made).exists():
            raise
        raise NotAvailable(
            f"{error}. {folder} was made with {made}; say where that file is now with --weights (Map.open: weights=)"
        ) from error
    except ConfigError as error:
        if described["name"] not in list_methods():
            raise StoreError(
                f"{folder} was made with a network of your own ('{described['name']}'); open it in Python: "
                "vprkit.Map.open(path, method=...)"
            ) from error
        raise StoreError(
            f"{folder} was made with the method '{described['name']}', which cannot be loaded by name "
            f"({error}). Pass it: Map.open(path, method=...)"
        ) from error


def as_built(method: Method, described: dict[str, Any]) -> Method:
    """The method with photos turned, or not, as when the map was built: that is the map's choice, not the network's."""
    kept: Any = described["preprocessing"]
    turned = bool(kept.get("exif_orientation")) if isinstance(kept, dict) else False
    if method.preprocessing.exif_orientation == turned:
        return method
    same = copy.copy(method)
    same.preprocessing = dataclasses.replace(method.preprocessing, exif_orientation=turned)
    return same


def load_again(described: dict[str, Any], weights: str | Path | None, device: str, precision: str) -> Method:
    """A method of which name, configuration, preprocessing, weights and adapter were written down.

    Args:
        described: these.
        weights: the file, if it is neither where it was nor in the weights folder.
        device, precision: of the method.

    Raises:
        ConfigError: it is no method that can be loaded by name.
        NotAvailable: its weights are not here.
    """
    _check_described(described)
    file = weights or (None if described["weights"] == PARTS else described["weights"])
    if weights is None and file is not None and Path(file).is_absolute() and not Path(file).exists():
        file = Path(file).name  # it came from elsewhere: the weights folder may have it
    options = dict(described["configuration"])
    guided = options.pop(GUIDED, None)
    method = load_method(
        described["name"],
        weights=file,
        device=device,
        precision=precision,
        preprocessing=Preprocessing.from_dict(described["preprocessing"]),
        adapter=described.get("adapter") or None,
        **options,
    )
    return method if guided is None else with_patches(method, from_dict(PatchConfig, guided, GUIDED))


def _check_described(described: dict[str, Any]) -> None:
    """Refuse what is no name, configuration or file, or would stand in for another argument of loading."""
    texts = (described["name"], described["weights"] or "", described.get("adapter") or "")
    configuration = described["configuration"]
    if not all(isinstance(text, str) for text in texts) or not isinstance(configuration, dict):
        raise ConfigError("name, weights and adapter must be text, and the configuration keys and values")
    taken = sorted(configuration.keys() & inspect.signature(load_method).parameters.keys())
    if taken:
        raise ConfigError(f"its configuration cannot have '{taken[0]}', which says how a method is loaded")
