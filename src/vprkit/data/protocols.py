"""Published ways to evaluate, by name: which images ask and answer, what is right, what is counted, how many there are.

Numbers of one data set compare only within one protocol; a report names it, and says where the images do not fit it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from vprkit.errors import ConfigError


@dataclass(frozen=True)
class Protocol:
    """One published way to evaluate on one set.

    Attributes:
        name: what `--protocol` takes; `family` is shared by protocols of one data set.
        title: in words, as it appears in warnings about counts.
        database, queries: how many images; None where it is not stated.
        split, ground_truth, radius: as of `open_benchmark`. A set that lists its own positives goes by these,
            unless its protocols differ by their windows of frames: then the protocol's holds.
        select: further options of `open_benchmark` (`queries`, `database`, `variant`, `subtask`, `cities`, `task`,
            `length`). A subtask, cities or a task that it does not name are all images, of all cities.
        answerable_only: queries without a positive are left out before anything is counted.
        search_inside: the search stays in the query's city.
        images: what was done to the images, where that belongs to the published numbers.
        confirmed: the counts were seen in published files; False: quoted from the literature.
        source: who states the rule.
        caution: what a reader of its numbers should know.
        deviant: a variant that people come upon by accident; finding it is a warning.
    """

    name: str
    family: str
    title: str
    database: int | None
    queries: int | None
    split: str = "test"
    ground_truth: str = "planar"
    radius: float = 25.0
    select: Mapping[str, Any] = field(default_factory=dict)
    answerable_only: bool = False
    search_inside: bool = False
    images: str = "as distributed"
    confirmed: bool = True
    source: str = ""
    caution: str = ""
    deviant: bool = False

    @property
    def denominator(self) -> str:
        """Which queries Recall@K is divided by."""
        return "queries with a positive" if self.answerable_only else "all queries"

    @property
    def counts(self) -> str:
        mark = "" if self.confirmed else " (from the literature)"
        shown = ["?" if number is None else f"{number:,}" for number in (self.database, self.queries)]
        return f"{shown[0]} / {shown[1]}{mark}"

    @property
    def decides_window(self) -> bool:
        """The set is known under several windows of frames, so what a folder lists may be another protocol's truth."""
        windows = {each.ground_truth for each in family(self.family) if each.ground_truth.startswith("frames:")}
        return len(windows) > 1 and self.ground_truth in windows

    def fits(self, database: int, queries: int) -> bool:
        """The counts are as published, as far as these are known."""
        return self.database in (None, database) and self.queries in (None, queries)

    def warning(self, database: int, queries: int, listed: int | None = None) -> str | None:
        """What to say where counts differ, naming the variant that these would be; None where they fit.

        Args:
            database, queries: how many images there are.
            listed: queries before those without a positive were left out, where some were.
        """
        if self.fits(database, queries):
            return None
        found = f"{database:,} database images and {queries:,} queries"
        if listed not in (None, queries):
            found += f" (of {listed:,} listed)"
        asked = [count for count in (listed, queries) if count is not None]
        variant = self._variant(database, asked)
        if variant is not None:
            same = variant.queries == self.queries
            told = f"{database:,} in the database" if same else f"{variant.queries:,} queries"
            found += f": {told}: this is {variant.title} ({variant.name})"
        return f"protocol {self.name} has {self.counts}, but here are {found}; the numbers are not comparable"

    def _variant(self, database: int, asked: list[int]) -> "Protocol | None":
        """What such counts belong to: both of them in any set, or the queries alone in a variant of this one."""
        exact = [other for count in asked for other in (*family(self.family), *protocols())
                 if other.name != self.name and (other.database, other.queries) == (database, count)]  # fmt: skip
        by_queries = [other for count in asked for other in family(self.family)
                      if other.queries == count and other.queries != self.queries]  # fmt: skip
        return next(iter((*exact, *by_queries)), None)


ALIASES: Mapping[str, tuple[str, ...]] = {
    "pitts30k": ("pittsburgh30k",),
    "pitts250k": ("pittsburgh250k", "pittsburgh"),
    "gardens-point": ("gardenspointwalking",),
    "san-francisco": ("sanfranciscolandmark", "rsf"),
    "sf-xl": ("sanfranciscoxl",),
    "msls": ("mapillary", "mapillarysls"),
    "baidu-mall": ("baidu",),
    "17places": ("seventeenplaces",),
}
"""Other names that folders of a family have, in plain letters."""

ENDINGS = ("", "val", "test", "train", "small", "images", "dataset")


def owns(family: str, folder: str) -> bool:
    """The folder's name is that of the family, whatever its case and separators."""
    names = (plain(family), *ALIASES.get(family, ()))
    return plain(folder) in {name + ending for name in names for ending in ENDINGS}


def plain(text: str) -> str:
    """Letters and digits in lower case: `Tokyo_24/7` and `tokyo247` are one name."""
    return "".join(sign for sign in text.lower() if sign.isalnum())


@cache
def protocols() -> tuple[Protocol, ...]:
    """Every protocol, in the order of the table."""
    from vprkit.data.protocol_table import PROTOCOLS

    return PROTOCOLS


def family(name: str) -> tuple[Protocol, ...]:
    """The protocols of one data set."""
    return tuple(protocol for protocol in protocols() if protocol.family == name)


def find_protocol(name: str) -> Protocol:
    """The protocol of a name; case and separators do not matter.

    Raises:
        ConfigError: there is none; the nearest names are given.
    """
    by_name = {plain(protocol.name): protocol for protocol in protocols()}
    found = by_name.get(plain(name))
    if found is not None:
        return found
    near = [by_name[key].name for key in get_close_matches(plain(name), by_name, 4, 0.5)]
    near = near or [protocol.name for protocol in protocols() if plain(protocol.family) in plain(name)][:4]
    hint = f" (did you mean {', '.join(near)}?)" if near else ""
    raise ConfigError(f"there is no protocol '{name}'{hint}; `vpr data list` shows them")


def matching_protocols(names: str) -> list[str]:
    """Names of the protocols that a comma-separated list asks for; wildcards as in `msls-val-?2?`.

    Raises:
        ConfigError: a name fits none.
    """
    found: list[str] = []
    for name in (part.strip() for part in names.split(",")):
        fitting = [protocol.name for protocol in protocols() if fnmatchcase(protocol.name, name)]
        found += fitting or [find_protocol(name).name]
    return list(dict.fromkeys(found))


def protocols_of(root: Path) -> tuple[Protocol, ...]:
    """Protocols of the set that lies at `root`, told by the names of its folders; empty where none is known."""
    families = dict.fromkeys(protocol.family for protocol in protocols())
    for part in reversed(root.resolve().parts):
        owner = next((name for name in families if owns(name, part)), None)
        if owner is not None:
            return family(owner)
    return ()
