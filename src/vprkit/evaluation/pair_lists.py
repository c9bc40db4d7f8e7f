"""Lists of image pairs for hloc and COLMAP: who is to be matched with whom.

One pair a line, two names with a space between, which is what hloc's `match_features` and COLMAP's `matches_importer`
read; neither can read a name with a space in it, so such names are refused.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import numpy as np

from vprkit.data.positives import zone_aware
from vprkit.data.records import Records, checked_name
from vprkit.errors import ConfigError, DataError
from vprkit.evaluation.result import Result
from vprkit.files import refuse_to_overwrite, unread, write_atomically
from vprkit.retrieval import map_settings
from vprkit.retrieval.removed import live_rows
from vprkit.retrieval.store import FeatureStore

_NEITHER = "neither a result that `vpr evaluate --save` wrote nor what `vpr locate --format json` wrote"


@dataclass(frozen=True)
class Pairs:
    """Pairs of names; `left_out` are queries without a pair."""

    pairs: tuple[tuple[str, str], ...]
    left_out: int = 0

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the list.

        Raises:
            DataError: a name has a space in it, or begins with #.
        """
        path = Path(path)
        refuse_to_overwrite(path, overwrite)
        for name in dict.fromkeys(name for pair in self.pairs for name in pair):
            if any(sign.isspace() for sign in name):
                raise DataError(f"'{name}' has a space in it, which hloc and COLMAP take for the end of a name; rename "
                                "the file")  # fmt: skip
            if name.startswith("#"):
                raise DataError(f"'{name}' begins with #, which COLMAP takes for a comment; rename the file")
        write_atomically(path, "".join(f"{one} {other}\n" for one, other in self.pairs))


@dataclass(frozen=True)
class Prefixes:
    """Where queries and database images lie below the one folder of images that hloc and COLMAP know."""

    query: str = ""
    database: str = ""

    def of(self, query: str, database: str) -> tuple[str, str]:
        """Both names below that folder.

        Raises:
            DataError: a name leads out of its folder.
        """
        return (
            str(PurePosixPath(self.query, checked_name(query))),
            str(PurePosixPath(self.database, checked_name(database))),
        )


def pairs_of_result(result: Result, top: int, prefixes: Prefixes | None = None) -> Pairs:
    """Every query of an evaluation with its first `top` database images.

    Raises:
        DataError: queries and database have a name in common and lie in different folders.
        ConfigError: `top` is below 1.
    """
    _check_top(top)
    asked = [row for row in result.rankings if row.by_photo]
    found = ((row.name, [result.images[number].name for number in row.ranking[:top]]) for row in asked)
    same = Path(result.queries_root) == Path(result.database_root)
    return _joined(found, prefixes or Prefixes(), same)


def pairs_of_locations(
    located: Any, top: int, prefixes: Prefixes | None = None, query_root: str | Path | None = None
) -> Pairs:
    """Every photo of `vpr locate --format json` with its first `top` hits; what was rejected is left out.

    Args:
        located: what the JSON holds.
        top: hits.
        prefixes: of the names.
        query_root: folder that the photos' names are made relative to; None: they stay as they were given.

    Raises:
        DataError: it is something else, a photo does not lie in the folder, or one name stands for images of several
            folders of the map.
        ConfigError: `top` is below 1, or there are absolute paths and no folder.
    """
    _check_top(top)
    try:
        known = [(str(one["query"]), one["hits"][:top] if one.get("known") is not False else []) for one in located]
        _check_one_each([(str(hit["name"]), str(hit.get("path", ""))) for _, hits in known for hit in hits])
        found = [(_relative(query, query_root), [str(hit["name"]) for hit in hits]) for query, hits in known]
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError("this is no list of locations as `vpr locate --format json` writes it") from error
    return _joined(found, prefixes or Prefixes(), same_folder=False)


def near_pairs(records: Records, metres: float, turn: float | None = None, prefix: str = "") -> Pairs:
    """Images that were taken within so many metres of each other and look the same way, each pair once.

    Args:
        records: with positions.
        metres: greatest distance.
        turn: greatest difference of headings in degrees; images of unknown heading pass. None: any.
        prefix: of the names.

    Raises:
        ConfigError: a limit makes no sense.
        DataError: no image has a position.
    """
    if not metres > 0 or (turn is not None and not 0 <= turn <= 180):
        raise ConfigError(f"near must be metres above 0 and turn 0 to 180 degrees, got {metres} and {turn}")
    if not records.has_position.any():
        raise DataError("no image has a position, so none is near another")
    near = zone_aware(records, records, metres)
    first = np.repeat(np.arange(len(records)), near.counts)
    second = near.numbers
    kept = first < second
    if turn is not None:
        apart = np.abs((records.heading[first] - records.heading[second] + 180) % 360 - 180)
        kept &= ~(apart > turn)
    names = [str(PurePosixPath(prefix, name)) for name in records.names]
    rows = np.flatnonzero(kept)
    pairs = tuple((names[first[row]], names[second[row]]) for row in rows)
    alone = len(records) - len(np.unique(np.concatenate([first[rows], second[rows]])))
    return Pairs(tuple(dict.fromkeys(pair for pair in pairs if pair[0] != pair[1])), alone)


def read_pairs(
    source: Path, top: int, prefixes: Prefixes, query_root: Path | None, near: float | None, turn: float | None
) -> Pairs:
    """Pairs of whatever `source` is: a saved run, a file of locations, or a map.

    Raises:
        DataError: it is none of these.
        ConfigError: an option is for another kind of source.
    """
    if near is not None and (query_root is not None or prefixes.query):
        raise ConfigError("--query-root and --prefix-query are for queries; --near makes pairs of a map's own images")
    if turn is not None and near is None:
        raise ConfigError("--turn narrows what --near finds; give --near METRES too")
    if source.is_dir():
        if near is None:
            raise ConfigError(f"{source} is a map: say how near its images must be to make a pair, with --near METRES")
        return near_pairs(_records_of_map(source), near, turn, prefixes.database)
    if near is not None:
        raise ConfigError(f"--near makes pairs of a map's images, and {source} is no map")
    try:
        data = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(unread(source, error, _NEITHER)) from error
    if not isinstance(data, list) and (not isinstance(data, dict) or "format" not in data):
        raise DataError(f"{source}: {_NEITHER}")
    if isinstance(data, list):
        return pairs_of_locations(data, top, prefixes, query_root)
    if query_root is not None:
        raise ConfigError(f"--query-root is for locations; {source} is a result, which knows its folders")
    return pairs_of_result(Result.load(source), top, prefixes)


def _records_of_map(folder: Path) -> Records:
    """What answers, read without loading the method."""
    map_settings.read(folder)
    store = FeatureStore.open(folder / "store")
    return store.records(np.flatnonzero(live_rows(store, folder)))


def _joined(found: Iterable[tuple[str, list[str]]], prefixes: Prefixes, same_folder: bool) -> Pairs:
    """Pairs without repeats, in either order, and without an image beside itself."""
    pairs: dict[frozenset[str], tuple[str, str]] = {}
    queries: set[str] = set()
    answers: set[str] = set()
    left_out = 0
    for query, names in found:
        told = [prefixes.of(query, name) for name in names]
        made = [pair for pair in told if pair[0] != pair[1] or not same_folder]
        left_out += not made
        queries.update(pair[0] for pair in made)
        answers.update(pair[1] for pair in made)
        for pair in made:
            pairs.setdefault(frozenset(pair), pair)
    if not same_folder and (common := queries & answers):
        raise DataError(f"'{min(common)}' is the name of a query and of a database image in another folder; tell them "
                        "apart with --prefix-query and --prefix-database")  # fmt: skip
    return Pairs(tuple(pairs.values()), left_out)


def _check_one_each(hits: Iterable[tuple[str, str]]) -> None:
    """Refuse a name that images in several folders have: names are relative to the folder they were added from."""
    paths: dict[str, str] = {}
    for name, path in hits:
        if paths.setdefault(name, path) != path:
            raise DataError(f"'{name}' is the name of {paths[name]} and of {path}, which pairs could not tell apart; "
                            "build the map from one folder above both")  # fmt: skip


def _relative(photo: str, root: str | Path | None) -> str:
    pure = PurePath(photo)
    if root is None:
        if pure.is_absolute() or ".." in pure.parts:
            raise ConfigError(f"{photo} is no path below a folder; name the folder of the photos with --query-root")
        return pure.as_posix()
    try:
        return Path(photo).absolute().relative_to(Path(root).absolute()).as_posix()
    except ValueError:
        raise DataError(f"{photo} does not lie in {root}; give another --query-root") from None


def _check_top(top: int) -> None:
    if top < 1:
        raise ConfigError(f"top must be at least 1, got {top}")
