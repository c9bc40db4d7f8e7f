"""The manifest of a feature store: whose features these are."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import vprkit
from vprkit.errors import StoreError

FORMAT = 1
MANIFEST = "manifest.json"


def new_manifest(identity: Mapping[str, Any], dimension: int, details: Mapping[str, Any]) -> dict[str, Any]:
    """What a new store says of itself; `details` are no part of the identity."""
    return {
        "format": FORMAT, "vprkit": vprkit.__version__, "identity": dict(identity), "dimension": dimension, **details,
    }  # fmt: skip


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest in a store's folder.

    Raises:
        StoreError: none there, damaged, or of a newer format.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        missing = [key for key in ("format", "identity", "dimension") if key not in manifest]
    except FileNotFoundError:
        raise StoreError(f"{folder}: there is no feature store here (no {MANIFEST})") from None
    except (OSError, ValueError, TypeError) as error:
        raise StoreError(f"{folder}/{MANIFEST} cannot be read ({error})") from error
    if missing:
        raise StoreError(f"{folder}/{MANIFEST} has no '{missing[0]}': not a feature store")
    if manifest["format"] != FORMAT:
        raise StoreError(
            f"{folder} has store format {manifest['format']}, this vprkit reads {FORMAT}; "
            "use the version that wrote it, or describe again"
        )
    return manifest


def refuse_other(folder: Path, mine: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    """Refuse another identity than a store's, naming what differs: the methods, or settings of the same one.

    Raises:
        StoreError: they differ.
    """
    if mine.get("method") != identity.get("method"):  # its settings have other names: to compare them says nothing
        raise StoreError(
            f"{folder} holds features of '{mine.get('method')}', asked for '{identity.get('method')}'; "
            "use another folder"
        )
    stored, wanted = _leaves(mine), _leaves(json.loads(json.dumps(identity)))
    differing = [
        f"{key}: {_short(stored.get(key))} here, {_short(wanted.get(key))} asked"
        for key in sorted({*stored, *wanted})
        if stored.get(key) != wanted.get(key)
    ]
    if differing:
        raise StoreError(
            f"{folder} holds features of '{mine.get('method')}' with other settings or weights "
            f"({'; '.join(differing)}). Use another folder, or what it was made with"
        )


def _leaves(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Values by their dotted keys."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{above}{key}"
        found |= _leaves(value, f"{name}.") if isinstance(value, Mapping) and value else {name: value}
    return found


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
