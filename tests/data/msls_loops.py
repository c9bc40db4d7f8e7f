"""Mapillary SLS of any seed, and what its readers give for it, by plain loops from the words of `dataset-formats.md`.

No line of the package is used: what is written here is the definition, slow and in the open.
"""

import csv
import math
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUBTASKS = ("all", "s2w", "w2s", "o2n", "n2o", "d2n", "n2d")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
FOLDERS = {"cph": "train_val", "sf": "train_val", "trondheim": "train_val", "miami": "test"}

Frame = dict[str, Any]
Expected = dict[str, Any]


@dataclass(frozen=True)
class Loops:
    """Frames per city and role, as drawn."""

    frames: dict[tuple[str, str], list[Frame]]

    @staticmethod
    def drawn(seed: int) -> "Loops":
        """Drives that break off, numbers with holes, panoramas, nights and flags at random."""
        rng = random.Random(seed)
        return Loops({(city, role): _drive(rng) for city in FOLDERS for role in ("query", "database")})

    def write(self, root: Path) -> None:
        for (city, role), frames in self.frames.items():
            folder = root / FOLDERS[city] / city / role
            tables = {"seq_info": ("key", "sequence_key", "frame_number"), "subtask_index": ("key", *SUBTASKS)}
            if FOLDERS[city] == "train_val":
                tables["raw"] = ("key", "lon", "lat", "ca", "captured_at", "pano")
                tables["postprocessed"] = ("key", "easting", "northing", "unique_cluster", "control_panel", "night",
                                           "view_direction")  # fmt: skip
            for name, columns in tables.items():
                _write(folder / f"{name}.csv", columns, frames)

    def expected(self, mode: str, cities: Iterable[str], task: str = "im2im", length: int = 3, **more: Any) -> Expected:
        """What a reader gives; `more` holds `subtask`, `posDistThr` and `exclude_panos` as in the fixtures."""
        cities = list(cities)
        subtask, radius = more.get("subtask", "all"), more.get("posDistThr", 25)
        panoramas = not more.get("exclude_panos", True)
        asking, answering = (length if part == "seq" else 1 for part in task.split("2"))
        found: Expected = {"query_images": [], "database_images": [], "all_positives": []}
        for city in cities:
            queries = self._items(city, "query", asking, mode, subtask, panoramas)
            database = self._items(city, "database", answering, mode, subtask, panoramas)
            first = len(found["database_images"])
            found["query_images"] += [self._name(city, "query", item) for item in queries]
            found["database_images"] += [self._name(city, "database", item) for item in database]
            for query in queries if mode != "test" else ():
                right = [first + n for n, item in enumerate(database) if self._near(city, query, item, radius)]
                found["all_positives"].append(right)
        kept = [row for row, right in enumerate(found["all_positives"]) if right]
        if mode == "test":
            return {**found, "kept_query_indices": list(range(len(found["query_images"])))}
        return {**found, "kept_query_indices": kept, "positives": [found["all_positives"][row] for row in kept]}

    def _items(self, city: str, role: str, length: int, mode: str, subtask: str, panoramas: bool) -> list[list[int]]:
        frames, half, items = self.frames[city, role], length // 2, []
        for centre in range(len(frames)):
            window = list(range(centre - half, centre + half + 1))
            if window[0] < 0 or window[-1] >= len(frames):
                continue
            steps = [(frames[row], frames[row + 1]) for row in window[:-1]]
            if any(one["sequence_key"] != two["sequence_key"] for one, two in steps):
                continue
            if any(two["frame_number"] - one["frame_number"] != 1 for one, two in steps):
                continue
            if mode != "train" and not frames[centre][subtask]:
                continue
            if frames[centre]["pano"] and not panoramas and mode != "test":
                continue
            items.append(window)
        return items

    def _name(self, city: str, role: str, item: list[int]) -> str:
        keys = [self.frames[city, role][row]["key"] for row in item]
        return ",".join(f"{FOLDERS[city]}/{city}/{role}/images/{key}.jpg" for key in keys)

    def _near(self, city: str, query: list[int], item: list[int], radius: float) -> bool:
        asking, answering = self.frames[city, "query"], self.frames[city, "database"]
        return any(
            math.hypot(asking[one]["easting"] - answering[two]["easting"],
                       asking[one]["northing"] - answering[two]["northing"]) <= radius
            for one in query for two in item
        )  # fmt: skip


def _drive(rng: random.Random) -> list[Frame]:
    frames: list[Frame] = []
    drive = number = 0
    for _ in range(rng.randint(30, 50)):
        luck = rng.random()
        drive, number = (drive + 1, 0) if luck < 0.08 else (drive, number + (2 if luck < 0.16 else 1))
        frames.append({
            "key": "".join(rng.choices(LETTERS, k=22)), "sequence_key": f"drive{drive}", "frame_number": number,
            "easting": rng.uniform(345_000, 345_300), "northing": rng.uniform(6_173_000, 6_173_010),
            "lon": 12.5, "lat": 55.6, "ca": rng.uniform(0, 360), "captured_at": "2018-01-02",
            "unique_cluster": rng.randint(0, 5), "control_panel": False, "night": rng.random() < 0.2,
            "pano": rng.random() < 0.15, "view_direction": rng.choice(["Forward", "Backward", "Sideways"]),
            **{flag: rng.random() < 0.7 for flag in SUBTASKS},
        })  # fmt: skip
    return frames


def _write(path: Path, columns: Iterable[str], frames: list[Frame]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["", *columns])
        writer.writerows([number, *(frame[name] for name in columns)] for number, frame in enumerate(frames))
