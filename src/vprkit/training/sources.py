"""What a run trains and measures on: `NAME=PATH` of the command line, or objects from Python."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from vprkit.config import nearest
from vprkit.data.benchmark import Benchmark, open_benchmark
from vprkit.errors import ConfigError, DataError

ROLES = ("train", "val", "test")


@dataclass(frozen=True)
class Sources:
    """The sets of a run, by name (`val`, or `val.night` for several in one role).

    Attributes:
        train: paths, or what the recipe takes beside them (a `Places` object).
        val: measured during training.
        test: measured once at the end, with the best weights.
        paths: where each came from, in words.
    """

    train: Mapping[str, Any] = field(default_factory=dict)
    val: Mapping[str, Benchmark] = field(default_factory=dict)
    test: Mapping[str, Benchmark] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)


def open_sources(data: Mapping[str, Any]) -> Sources:
    """Open the evaluation sets; training sets are opened by the recipe, which knows what it needs of them.

    Args:
        data: name -> path or object. A name is a role (`train`, `val`, `test`), or a role and a word of one's own
            (`val.night`). An evaluation set's path may end in `#train`, `#val` or `#test`, the split to take; without,
            `val` takes the split val where the set has one, else test. Behind that may follow `+` and a CSV of
            descriptions, for methods that read texts: `val=pitts30k#val+pitts30k_val_800_queries.csv`. Queries that it
            does not name are left out, as in LaVPR, whose tables are the lists of its images.

    Raises:
        ConfigError: a name begins with no role, or there is no training set.
        DataError: a set cannot be opened.
    """
    opened: dict[str, dict[str, Any]] = {role: {} for role in ROLES}
    for name, source in data.items():
        role = name.partition(".")[0]
        if role not in ROLES:
            raise ConfigError(
                f"--data {name}=...: '{role}' is no role{nearest(role, ROLES)}; write train=PATH, val=PATH or "
                "test=PATH, several as val.day=PATH val.night=PATH"
            )
        if isinstance(source, str):
            source = Path(source)
        opened[role][name] = source if role == "train" or not isinstance(source, Path) else _benchmark(role, source)
    if not opened["train"]:
        raise ConfigError("there is nothing to train on: give --data train=PATH")
    return Sources(**opened, paths={name: _in_words(source) for name, source in data.items()})


def parse_sources(assignments: Iterable[str]) -> dict[str, str]:
    """`NAME=PATH` of the command line as a mapping.

    Raises:
        ConfigError: something else, or a name twice.
    """
    sources: dict[str, str] = {}
    for assignment in assignments:
        name, separator, path = assignment.partition("=")
        if not separator or not name or not path:
            raise ConfigError(f"--data '{assignment}': write NAME=PATH, such as train=gsv_cities")
        if name in sources:
            raise ConfigError(
                f"--data {name} is given twice; name several sets of one role {name}.first, {name}.second"
            )
        sources[name] = path
    return sources


def _benchmark(role: str, path: Path) -> Benchmark:
    whole, plus, texts = str(path).rpartition("+")
    if not plus or not texts.endswith(".csv"):
        whole, texts = str(path), ""
    opened = partial(open_benchmark, texts=texts or None, query_list=texts or None)
    place, separator, split = whole.rpartition("#")
    if separator:
        return opened(place, split)
    if role == "test":
        return opened(whole)
    try:
        return opened(whole, "val")
    except DataError:
        return opened(whole)


def _in_words(source: Any) -> str:
    return (
        str(source) if isinstance(source, (str, Path)) else f"{type(source).__name__} '{getattr(source, 'name', '')}'"
    )
