"""Mapillary SLS in its raw layout: which frames ask, which answer, and what is right, as its readers define it.

Warburg et al., CVPR 2020. Frames of one city never meet those of another: positives and searches stay inside a city.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from vprkit.config import nearest
from vprkit.data import geo
from vprkit.data.areas import Areas
from vprkit.data.columns import StringColumn
from vprkit.data.layouts.msls_tables import SUBTASKS, Frames, read_frames
from vprkit.data.positives import Positives, within_radius
from vprkit.data.records import Records
from vprkit.errors import ConfigError, DataError

CITIES = {
    "train": (
        "trondheim", "london", "boston", "melbourne", "amsterdam", "helsinki", "tokyo", "toronto", "saopaulo", "moscow",
        "zurich", "paris", "bangkok", "budapest", "austin", "berlin", "ottawa", "phoenix", "goa", "amman", "nairobi",
        "manila",
    ),
    "val": ("cph", "sf"),
    "test": ("miami", "athens", "buenosaires", "stockholm", "bengaluru", "kampala"),
}  # fmt: skip
"""Cities per split in the published order, which decides numbers."""

SINGLE = "im2im"
TASKS = (SINGLE, "seq2im", "im2seq", "seq2seq")
QUERY, DATABASE = "query", "database"
RADIUS, TRAINING_RADIUS = 25.0, 10.0


@dataclass(frozen=True, eq=False)
class Sequences:
    """Sequences of one role, all cities one after the other.

    Attributes:
        records: every frame that occurs, root included.
        rows: (S, L) their rows per sequence; L is 1 for image tasks.
        area: (S,) int16 city of each sequence.
        night, sideways: (S,) bool of its centre frame.
    """

    records: Records
    rows: np.ndarray
    area: np.ndarray
    night: np.ndarray
    sideways: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def names(self) -> list[str]:
        """Paths of each sequence's frames, joined by commas."""
        names = list(self.records.names)
        return [",".join(names[row] for row in rows) for rows in self.rows.tolist()]

    def centres(self) -> Records:
        """The record of each sequence's centre frame."""
        return self.records.take(self.rows[:, self.rows.shape[1] // 2])


@dataclass(frozen=True, eq=False)
class Split:
    """A split of the set as its readers give it.

    Attributes:
        cities: names of the areas.
        queries, database: what asks and what answers.
        positives: per query, database sequences within the radius; None where positions are withheld (test).
        non_negatives: per query, those within 25 m, when training.
        kept: queries with at least one positive (all of them where positions are withheld).
        radius: metres that the positives lie within.
    """

    cities: tuple[str, ...]
    queries: Sequences
    database: Sequences
    positives: Positives | None
    non_negatives: Positives | None
    kept: np.ndarray
    radius: float = RADIUS

    @property
    def areas(self) -> Areas:
        return Areas(self.cities, self.database.area, self.queries.area)

    def sampling_weights(self) -> np.ndarray:
        """(K,) per kept query: 1, plus K / #night at night, plus K / #sideways when looking sideways."""
        weights = np.ones(len(self.kept))
        for flag in (self.queries.night[self.kept], self.queries.sideways[self.kept]):
            if flag.any():
                weights[flag] += len(self.kept) / flag.sum()
        return weights


def read_split(
    root: Path,
    split: str,
    *,
    cities: Sequence[str] | None = None,
    task: str = "im2im",
    length: int = 3,
    subtask: str = "all",
    panoramas: bool = False,
    radius: float | None = None,
    with_truth: bool = True,
) -> Split:
    """Read a split.

    Args:
        root: the folder that holds `train_val` or `test`, or the city folders themselves.
        split: train, val or test.
        cities: only these, in the published order of the others (default: every city of the split that is there).
        task: im2im, seq2im, im2seq or seq2seq: what asks and what answers.
        length: frames per sequence, odd.
        subtask: only frames flagged so (val and test).
        panoramas: keep sequences whose centre is a panorama.
        radius: metres within which a database frame is right (default: 25, when training 10).
        with_truth: False leaves positives out, which places do not need.

    Raises:
        DataError: a city or table is missing; it is named.
    """
    if task not in TASKS:
        raise ConfigError(f"task '{task}' is unknown{nearest(task, TASKS)}; there are {', '.join(TASKS)}")
    if subtask not in SUBTASKS:
        raise ConfigError(
            f"subtask '{subtask}' is unknown{nearest(subtask, SUBTASKS)}; there are {', '.join(SUBTASKS)}"
        )
    if length < 1 or length % 2 == 0:
        raise ConfigError(f"sequences need an odd number of frames, got {length}")
    base = base_of(root, split)
    chosen = cities_of(base, split, cities)
    lengths = {QUERY: length if task.startswith("seq") else 1, DATABASE: length if task.endswith("seq") else 1}
    roles = {
        role: [_City(root, read_frames(base / city / role), lengths[role], city, split, subtask, panoramas)
               for city in chosen]
        for role in (QUERY, DATABASE)
    }  # fmt: skip
    queries, database = (_joined(root, roles[role]) for role in (QUERY, DATABASE))
    if not with_truth or (split == "test" and not all(city.placed for city in roles[QUERY])):
        return Split(chosen, queries, database, None, None, np.arange(len(queries)))
    metres = radius if radius is not None else TRAINING_RADIUS if split == "train" else RADIUS
    positives = _positives(roles[QUERY], roles[DATABASE], metres)
    wider = _positives(roles[QUERY], roles[DATABASE], RADIUS) if split == "train" else None
    return Split(chosen, queries, database, positives, wider, np.flatnonzero(positives.counts), metres)


def city_prefixes(areas: Areas) -> tuple[StringColumn, StringColumn]:
    """What LaVPR puts before descriptions of the challenge's images, database and queries: `city miami. `."""
    words = StringColumn.of([f"city {name}. " for name in areas.names])
    return words.take(areas.database), words.take(areas.queries)


_CITY = re.compile(r"(?:.*/)?([a-z]+)/(?:query|database)/images/[^/]+")


def areas_of_names(database: Iterable[str], queries: Iterable[str]) -> Areas | None:
    """Cities that names such as `test/miami/query/images/<key>.jpg` tell; None where one of them tells none."""
    cities = [[found[1] if (found := _CITY.fullmatch(name)) else "" for name in names] for names in (database, queries)]
    order = [city for split in CITIES.values() for city in split]
    present = {city for each in cities for city in each}
    if not present or not present <= set(order):
        return None
    names = tuple(sorted(present, key=order.index))
    numbers = {name: number for number, name in enumerate(names)}
    return Areas(names, *(np.array([numbers[city] for city in each], np.int16) for each in cities))


def base_of(root: Path, split: str) -> Path:
    """The folder of the cities."""
    inside = root / ("test" if split == "test" else "train_val")
    return inside if inside.is_dir() else root


def cities_of(base: Path, split: str, wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Cities to read: those asked for, else those of the split that are there."""
    present = [city for city in CITIES[split] if (base / city / QUERY).is_dir() and (base / city / DATABASE).is_dir()]
    if wanted is None:
        if not present:
            raise DataError(f"{base}: holds no city of the {split} split ({', '.join(CITIES[split])})")
        return tuple(present)
    missing = next((city for city in wanted if not (base / city / QUERY).is_dir()), None)
    if missing is not None:
        known = sorted(path.parent.name for path in base.glob("*/query"))
        raise DataError(f"{base}: there is no city '{missing}'{nearest(missing, known)}; there are {', '.join(known)}")
    return tuple(sorted(dict.fromkeys(wanted), key=lambda city: _place(city, split)))


def _place(city: str, split: str) -> tuple[int, str]:
    order = CITIES[split]
    return (order.index(city) if city in order else len(order), city)


class _City:
    """The sequences of one city and role."""

    def __init__(
        self, root: Path, frames: Frames, length: int, city: str, split: str, subtask: str, panoramas: bool
    ) -> None:
        self.frames, self.name, self.root = frames, city, root
        rows = frames.windows(length)
        centre = rows[:, length // 2]
        kept = np.ones(len(rows), bool)
        if split != "train":
            if subtask not in frames.flags:
                raise DataError(f"{frames.folder}/subtask_index.csv: there is no column '{subtask}'")
            kept &= frames.flags[subtask][centre]
        if not panoramas:
            kept &= ~frames.panorama[centre]
        self.rows = rows[kept]
        self.centre = centre[kept]

    @property
    def placed(self) -> bool:
        return bool(self.frames.numbers)

    def positions(self) -> np.ndarray:
        """(N, 2) of every frame."""
        return np.stack([self.frames.numbers["east"], self.frames.numbers["north"]], 1)

    def incidence(self) -> csr_matrix:
        """(S, N) ones where a sequence holds a frame."""
        starts = np.arange(len(self.rows) + 1) * self.rows.shape[1]
        return csr_matrix((np.ones(self.rows.size), self.rows.ravel(), starts), (len(self.rows), len(self.frames)))


def _positives(queries: Sequence[_City], database: Sequence[_City], radius: float) -> Positives:
    """Per query sequence the database sequences that share a pair of frames within the radius, city by city."""
    offsets, numbers, first = [np.zeros(1, np.int64)], [np.zeros(0, np.int64)], 0
    total = 0
    for asking, answering in zip(queries, database, strict=True):
        found = within_radius(answering.positions(), asking.positions(), radius)
        pairs = csr_matrix(
            (np.ones(len(found.numbers)), found.numbers, found.offsets), (len(asking.frames), len(answering.frames))
        )
        matched = (asking.incidence() @ pairs @ answering.incidence().T).tocsr()
        matched.sort_indices()
        numbers.append(matched.indices.astype(np.int64) + first)
        offsets.append(matched.indptr[1:].astype(np.int64) + total)
        first, total = first + len(answering.rows), total + int(matched.indptr[-1])
    return Positives(np.concatenate(offsets), np.concatenate(numbers))


def _joined(root: Path, cities: Sequence[_City]) -> Sequences:
    starts = np.cumsum([0, *(len(city.frames) for city in cities)])
    rows = [city.rows + start for city, start in zip(cities, starts[:-1], strict=True)]
    area = np.repeat(np.arange(len(cities), dtype=np.int16), [len(city.rows) for city in cities])
    night = np.concatenate([city.frames.night[city.centre] for city in cities])
    sideways = np.concatenate([city.frames.sideways[city.centre] for city in cities])
    return Sequences(_records(root, cities), np.concatenate(rows), area, night, sideways)


def _records(root: Path, cities: Sequence[_City]) -> Records:
    """Every frame of the cities, by columns."""
    frames = [city.frames for city in cities]
    unknown = [np.full(len(each), np.nan) for each in frames]

    def column(name: str) -> np.ndarray:
        return np.concatenate([each.numbers.get(name, nan) for each, nan in zip(frames, unknown, strict=True)])

    latitude, longitude = column("latitude"), column("longitude")
    texts: dict[str, list[str]] = {"time": [], "condition": [], "place": [], "note": []}
    names: list[str] = []
    for city, each in zip(cities, frames, strict=True):
        folder = each.folder.relative_to(root).as_posix()
        names += [f"{folder}/images/{key}.jpg" for key in each.keys]
        if not city.placed:
            for values in texts.values():
                values += [""] * len(each)
            continue
        conditions = np.where(each.night, "night", "day").tolist()
        texts["time"] += each.texts["time"]
        texts["condition"] += conditions
        texts["place"] += [f"{city.name}/{cluster}" for cluster in each.texts["cluster"]]
        views = zip(conditions, each.texts["view"], strict=True)
        texts["note"] += [f"{condition}_{view.lower()}_{city.name}" for condition, view in views]
    columns = {key: StringColumn.of(values) for key, values in texts.items() if any(values)}
    zone = geo.zone_numbers(latitude, longitude)
    return Records(root, StringColumn.of(names), column("east"), column("north"), zone, latitude < 0, latitude,
                   longitude, column("heading").astype(np.float32), columns)  # fmt: skip
