"""Training sets of places whose images have descriptions."""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from vprkit.data.columns import StringColumn
from vprkit.data.places import PlaceSet, open_places
from vprkit.errors import ConfigError
from vprkit.training.places import PlaceConfig

TABLES = ("descriptions.csv", "gsv_cities_descriptions.csv")
"""Names that descriptions are looked for under, in the folder of a training set."""


class Photo(NamedTuple):
    """An image as loaded, or the vector that it was described by before, and its text, both changed at random."""

    image: Tensor
    text: str


def texts_sha256(texts: StringColumn) -> str:
    """SHA-256 of texts in order."""
    return hashlib.sha256("\n".join(texts).encode("utf-8", "surrogateescape")).hexdigest()


def open_described(source: Any, settings: PlaceConfig, texts: str | None) -> PlaceSet:
    """A training set with its texts.

    Args:
        source: a folder, or a `PlaceSet` with texts.
        settings: of the recipe.
        texts: CSV of descriptions; None: one of `TABLES` in the folder.

    Raises:
        ConfigError: it is neither, or there are no texts.
        DataError: a table cannot be read.
    """
    if isinstance(source, PlaceSet):
        if "text" not in source.records.texts:
            raise ConfigError(f"the training set {source.name} has no texts; open it with open_places(texts=...)")
        return source
    if not isinstance(source, Path):
        raise ConfigError("this recipe trains on folders, or on PlaceSets with texts")
    found = texts or next((str(source / name) for name in TABLES if (source / name).is_file()), None)
    if found is None:
        raise ConfigError(f"{source} has no {' or '.join(TABLES)}; give texts=FILE")
    return open_places(source, min_images=settings.min_images, groups=settings.cities, texts=found)
