"""Mapillary SLS as distributed: `train_val/<city>` and `test/<city>` with images and tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vprkit.data.ground_truth import GroundTruth
from vprkit.data.layouts.layout import Layout, Request, Roles
from vprkit.data.layouts.place_layout import PlaceLayout, PlaceTable
from vprkit.data.msls import RADIUS, SINGLE, Split, base_of, city_prefixes, read_split
from vprkit.data.records import Records, concatenated
from vprkit.data.sequences import Frames, Sequenced
from vprkit.errors import ConfigError, DataError


def read(request: Request) -> Roles | None:
    base = base_of(request.path, request.split)
    if not is_msls(base):
        other = request.path / ("train_val" if request.split == "test" else "test")
        if other.is_dir() and is_msls(other):
            raise DataError(
                f"{request.path}: Mapillary SLS without its {request.split} cities; it holds {other.name}/ "
                f"(split {'val' if request.split == 'test' else 'test'})"
            )
        return None
    if request.queries is not None or request.database is not None:
        raise ConfigError(
            f"{request.path}: Mapillary SLS as unpacked has no folder '{request.queries or request.database}' to "
            "choose; `vpr data convert` writes the @ layout, beside whose queries others may lie"
        )
    split = read_split(
        request.path, request.split, cities=request.cities, subtask=request.subtask, panoramas=request.panoramas,
        task=request.task, length=request.length, radius=request.radius or RADIUS,
    )  # fmt: skip
    queries, database = split.queries.centres(), split.database.centres()
    empty = next((role for role, table in (("query", queries), ("database image", database)) if not len(table)), None)
    if empty is not None:
        what = "" if request.task == SINGLE else f" and in the middle of {request.length} frames without a hole"
        raise DataError(f"{base}: no {empty} of {', '.join(split.cities)} is flagged '{request.subtask}'{what}")
    words = () if request.subtask == "all" else (f"only the subtask {request.subtask}",)
    return Roles(
        request.path,
        database,
        queries,
        words,
        rule="planar" if split.positives is not None else "",
        areas=split.areas,
        utm_of_degrees=True,
        search_inside=request.split == "test",
        answerable_only=True,
        of_split=True,
        **_of_sequences(split, request),
        text_prefixes=city_prefixes(split.areas) if request.split == "test" else None,
    )


def _of_sequences(split: Split, request: Request) -> dict[str, Any]:
    """What a task of sequences has besides: its frames, and positives that are the union over them."""
    if request.task == SINGLE:
        return {}
    frames = Sequenced(*(Frames.of(side.records, side.rows) for side in (split.database, split.queries)))
    if split.positives is None:
        return {"frames": frames, "truth": GroundTruth(None, "unlabelled", ("positions are withheld: not scored",))}
    rule = f"any frame within {split.radius:g} m of any of the other's, planar, same city"
    return {"frames": frames, "truth": GroundTruth(split.positives, f"{rule} ({frames.words()})")}


def is_msls(base: Path) -> bool:
    """True where city folders with the set's tables lie."""
    return next(base.glob("*/query/subtask_index.csv"), next(base.glob("*/query/seq_info.csv"), None)) is not None


LAYOUT = Layout(
    "msls", "Mapillary SLS: train_val/<city>/{query,database}/ with images/ and tables, test/<city>/", read, 10
)


STRIDE = 10_000_000
"""Labels of one city lie between two multiples of this."""


def read_places(path: Path, groups: Sequence[str] | None) -> PlaceTable | None:
    """Frames of the training cities; the set's own `unique_cluster` is the place, panoramas are left out.

    Labels are the cluster plus `STRIDE` times the city's position in the order read.
    """
    if not is_msls(base_of(path, "train")):
        return None
    split = read_split(path, "train", cities=groups, with_truth=False)
    tables, labels, areas = [], [], []
    for side in (split.queries, split.database):
        records = side.centres()
        cluster = _clusters(records, path)
        tables.append(records)
        areas.append(side.area.astype(np.int64))
        labels.append(cluster + STRIDE * side.area.astype(np.int64))
    records = concatenated(tables)
    recency, _ = records.texts["time"].codes() if "time" in records.texts else (np.zeros(len(records), np.int64), [])
    return PlaceTable(records, np.concatenate(labels), np.concatenate(areas), recency)


def _clusters(records: Records, path: Path) -> np.ndarray:
    texts = [records.text("place", row).rsplit("/", 1)[-1] for row in range(len(records))]
    bad = next((text for text in texts if not (text.isascii() and text.isdigit() and int(text) < STRIDE)), None)
    if bad is not None:
        raise DataError(f"{path}: postprocessed.csv has the unique_cluster '{bad}', which is no whole number")
    return np.array([int(text) for text in texts], np.int64)


PLACES = PlaceLayout("msls", "Mapillary SLS: the training cities, unique_cluster as place", read_places)
