"""Weights files: read as data only, checked key by key, written as safetensors with a header, fetched with a checksum.

Mechanism only: what a method's files are called and how their names map stands in the method's own folder.
"""

from vprkit.weights.fetching import directory, fetch, find, how_to_get
from vprkit.weights.fitting import differences, fit, on_meta
from vprkit.weights.inspecting import Inspection, convert, inspect
from vprkit.weights.own import Header, save
from vprkit.weights.reading import Checkpoint, read, sha256_of
from vprkit.weights.sniffing import FileFormat, sniff

__all__ = [
    "Checkpoint",
    "FileFormat",
    "Header",
    "Inspection",
    "convert",
    "differences",
    "directory",
    "fetch",
    "find",
    "fit",
    "how_to_get",
    "inspect",
    "on_meta",
    "read",
    "save",
    "sha256_of",
    "sniff",
]
