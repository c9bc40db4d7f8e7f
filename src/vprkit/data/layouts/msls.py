"""Mapillary SLS as distributed: `train_val/<city>` and `test/<city>` with images and tables."""

from pathlib import Path

from vprkit.data.layouts.layout import Layout, Request, Roles
from vprkit.data.msls import base_of, read_split


def read(request: Request) -> Roles | None:
    base = base_of(request.path, request.split)
    if not is_msls(base):
        return None
    split = read_split(
        request.path, request.split, cities=request.cities, subtask=request.subtask, panoramas=request.panoramas
    )
    queries, database = split.queries.centres(), split.database.centres()
    words = () if request.subtask == "all" else (f"only the subtask {request.subtask}",)
    return Roles(request.path, database, queries, words, rule="planar" if split.positives is not None else "",
                 areas=split.areas, utm_of_degrees=True, answerable_only=True)  # fmt: skip


def is_msls(base: Path) -> bool:
    """True where city folders with the set's tables lie."""
    return next(base.glob("*/query/subtask_index.csv"), next(base.glob("*/query/seq_info.csv"), None)) is not None


LAYOUT = Layout(
    "msls", "Mapillary SLS: train_val/<city>/{query,database}/ with images/ and tables, test/<city>/", read, 10
)
