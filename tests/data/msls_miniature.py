"""Mapillary SLS as unpacked, small: two drives per city with a gap, a night frame, a panorama, all tables."""

import csv
from pathlib import Path
from typing import Any

from tests.data.writing import photos

SUBTASKS = ("all", "s2w", "w2s", "o2n", "n2o", "d2n", "n2d")
COUNT, PANORAMA, NIGHT, GAP = 14, 3, 5, 8
"""Frames per city and role; which is a panorama, which is at night, and before which a number is left out."""


def key(city: str, role: str, number: int) -> str:
    return f"-{city[:2]}{role[0]}_{number:02d}AbCdEfGhIjKlMnO"


def write_msls(root: Path, val: tuple[str, ...] = ("cph", "sf"), test: tuple[str, ...] = ()) -> Path:
    """Frames 10 m apart; queries 2 m beside them, the last one of a city out of reach, the first outside `all`."""
    for place, city in enumerate((*val, *test)):
        for role in ("query", "database"):
            folder = root / ("test" if city in test else "train_val") / city / role
            keys = [key(city, role, number) for number in range(COUNT)]
            photos(folder / "images", [f"{each}.jpg" for each in keys])
            tables = _tables(keys, city, role, 10.0 * place)
            for name in ("seq_info", "subtask_index") if city in test else tables:
                _write(folder / f"{name}.csv", tables[name])
    return root


def _tables(keys: list[str], city: str, role: str, degrees: float) -> dict[str, list[dict[str, Any]]]:
    query = role == "query"
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in ("raw", "postprocessed", "seq_info", "subtask_index")}
    for number, each in enumerate(keys):
        far = 3000.0 if query and number == COUNT - 1 else 0.0
        night = number == NIGHT
        rows["raw"].append({"key": each, "lon": 12.5 + degrees, "lat": 55.6 + number * 9e-5, "ca": 90.5,
                            "captured_at": f"2018-0{1 + number % 9}-10", "pano": number == PANORAMA})  # fmt: skip
        rows["postprocessed"].append({
            "key": each, "easting": 345000.0 + 2 * query + far, "northing": 6173000.0 + 10 * number,
            "unique_cluster": number // 3, "control_panel": False, "night": night,
            "view_direction": "Sideways" if number == 6 else "Forward"})  # fmt: skip
        rows["seq_info"].append({"key": each, "sequence_key": f"{city}-{role}-{number >= GAP}",
                                 "frame_number": number + (number >= GAP)})  # fmt: skip
        flags = {name: name == "all" or (night and name.endswith("2n")) for name in SUBTASKS}
        rows["subtask_index"].append({"key": each, **flags, "all": not (query and number == 0)})
    return rows


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["", *rows[0]])
        writer.writerows([number, *row.values()] for number, row in enumerate(rows))
