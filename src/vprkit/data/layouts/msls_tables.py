"""The tables of one city folder of Mapillary SLS: what is known of every frame, in the order of the frame index."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vprkit.errors import DataError
from vprkit.files import unread

SUBTASKS = ("all", "s2w", "w2s", "o2n", "n2o", "d2n", "n2d")
"""All; summer to winter, winter to summer, old to new, new to old, day to night, night to day."""


@dataclass(frozen=True, eq=False)
class Frames:
    """N frames of one city and role.

    Attributes:
        folder: holds `images/` and the tables.
        keys: names of the image files without `.jpg`.
        sequence: (N,) number of the drive a frame belongs to.
        frame: (N,) its number in the drive.
        flags: subtask -> (N,) bool.
        east, north, latitude, longitude, heading: (N,) float64, NaN where unknown.
        panorama, night, sideways: (N,) bool.
        time, view, cluster: texts, empty where unknown.
    """

    folder: Path
    keys: list[str]
    sequence: np.ndarray
    frame: np.ndarray
    flags: dict[str, np.ndarray]
    panorama: np.ndarray
    night: np.ndarray
    sideways: np.ndarray
    numbers: dict[str, np.ndarray] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keys)

    def windows(self, length: int) -> np.ndarray:
        """(S, length) rows of consecutive frames of one drive, each row around its centre, in the order of centres."""
        half = length // 2
        rows = np.arange(half, len(self) - half)[:, None] + np.arange(-half, half + 1)
        one_drive = (self.sequence[rows] == self.sequence[rows[:, :1]]).all(1)
        return np.asarray(rows[one_drive & (np.diff(self.frame[rows], axis=1) == 1).all(1)])


def read_frames(folder: Path) -> Frames:
    """The tables of `<city>/query` or `<city>/database`; positions are unknown where those tables are missing (test).

    Raises:
        DataError: a table is missing, damaged, or speaks of other images than the others; it is named.
    """
    sequences = _Table.read(folder / "seq_info.csv")
    keys = sequences.column("key")
    _check_keys(keys, sequences.path)
    drives = sequences.column("sequence_key" if "sequence_key" in sequences.columns else "sequence_id")
    numbers = sequences.whole("frame_number")
    flags = {}
    if (folder / "subtask_index.csv").is_file():
        table = _Table.read(folder / "subtask_index.csv").ordered_as(keys, sequences.path)
        flags = {name: table.truth(name) for name in SUBTASKS if name in table.columns}
    _, drive = np.unique(np.asarray(drives, dtype=object), return_inverse=True)
    nothing = np.zeros(len(keys), bool)
    known = (folder / "postprocessed.csv").is_file()
    if not known:
        return Frames(folder, keys, drive, numbers, flags, nothing, nothing, nothing)
    post = _Table.read(folder / "postprocessed.csv").ordered_as(keys, sequences.path)
    raw = _Table.read(folder / "raw.csv").ordered_as(keys, sequences.path)
    view = post.column("view_direction")
    measured = {"east": post.real("easting"), "north": post.real("northing"), "latitude": raw.real("lat"),
                "longitude": raw.real("lon"), "heading": raw.real("ca")}  # fmt: skip
    texts = {"time": [day.replace("-", "") for day in raw.column("captured_at")], "view": view,
             "cluster": post.column("unique_cluster")}  # fmt: skip
    sideways = np.array([direction == "Sideways" for direction in view], bool)
    return Frames(
        folder, keys, drive, numbers, flags, raw.truth("pano"), post.truth("night"), sideways, measured, texts
    )


def _check_keys(keys: Sequence[str], path: Path) -> None:
    bad = next(
        (key for key in keys if not key or "/" in key or "\\" in key or "\0" in key or key.startswith(".")), None
    )
    if bad is not None:
        raise DataError(f"{path}: the key '{bad}' is no file name")
    if len(set(keys)) != len(keys):
        raise DataError(f"{path}: a key stands in two rows")


@dataclass(frozen=True, eq=False)
class _Table:
    """A CSV file by columns: millions of rows pass through the C code of `csv` and `zip` only."""

    path: Path
    columns: dict[str, tuple[str, ...]]

    @staticmethod
    def read(path: Path) -> "_Table":
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = [row for row in csv.reader(file) if row]
        except FileNotFoundError as error:
            raise DataError(f"{path}: there is no such file; unpack metadata.zip of Mapillary SLS") from error
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(unread(path, error, "cannot be read as UTF-8 CSV")) from error
        if len(rows) < 1:
            raise DataError(f"{path}: the file is empty")
        width = len(rows[0])
        bad = next((number for number, row in enumerate(rows, 1) if len(row) != width), None)
        if bad is not None:
            raise DataError(f"{path}, line {bad}: {len(rows[bad - 1])} fields where the header names {width}")
        body = list(zip(*rows[1:], strict=True)) or [()] * width
        return _Table(path, dict(zip(rows[0], body, strict=True)))

    def column(self, name: str) -> list[str]:
        if name not in self.columns:
            raise DataError(f"{self.path}: needs the column '{name}', has {', '.join(self.columns)}")
        return list(self.columns[name])

    def ordered_as(self, keys: Sequence[str], other: Path) -> "_Table":
        """The same rows in the order of `keys`: tables are matched by key, whatever the order of their lines."""
        own = self.column("key")
        if own == list(keys):
            return self
        place = {key: row for row, key in enumerate(own)}
        missing = next((key for key in keys if key not in place), None)
        if missing is not None:
            raise DataError(f"{self.path}: has no row for the key '{missing}' of {other.name}")
        rows = [place[key] for key in keys]
        return _Table(self.path, {name: tuple(values[row] for row in rows) for name, values in self.columns.items()})

    def truth(self, name: str) -> np.ndarray:
        values = self.column(name)
        known = {"True": True, "False": False, "true": True, "false": False, "1": True, "0": False, "": False}
        bad = next((value for value in values if value not in known), None)
        if bad is not None:
            raise DataError(f"{self.path}, column {name}: '{bad}' is neither True nor False")
        return np.array([known[value] for value in values], bool)

    def real(self, name: str) -> np.ndarray:
        values = self._numbers(name, lambda text: float(text) if text else float("nan"))
        return np.where(np.isinf(values), np.nan, values)

    def whole(self, name: str) -> np.ndarray:
        values = self._numbers(name, float)
        if not (np.abs(values) < 2**53).all() or (values % 1).any():
            raise DataError(f"{self.path}, column {name}: whole numbers are needed")
        return values.astype(np.int64)

    def _numbers(self, name: str, read: Callable[[str], float]) -> np.ndarray:
        values = self.column(name)
        try:
            return np.array([read(value) for value in values], np.float64)
        except ValueError as error:
            raise DataError(f"{self.path}, column {name}: {error}") from error
