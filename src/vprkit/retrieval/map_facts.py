"""What a map holds, and what is wrong with it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from vprkit.errors import StoreError
from vprkit.retrieval.build import same_content
from vprkit.retrieval.fast import FastIndex
from vprkit.retrieval.file_facts import file_facts

if TYPE_CHECKING:
    from vprkit.retrieval.map import Map


def info(of: "Map") -> dict[str, Any]:
    """What a map holds, as plain data."""
    records, calibration = of.records, of.calibration
    placed = of.live & np.isfinite(records.latitude)
    report = vars(of.index.report) if isinstance(of.index, FastIndex) else None
    return {
        "map": str(of.folder), "images": len(of), "removed": len(of.removed),
        "with_position": int((of.live & records.has_position).sum()),
        "bounds": None if not placed.any() else {
            "latitude": [float(records.latitude[placed].min()), float(records.latitude[placed].max())],
            "longitude": [float(records.longitude[placed].min()), float(records.longitude[placed].max())]},
        "method": of.method.name, "weights": of.store.manifest.get("weights"),
        "dimension": of.store.dimension, "local": (of.store.local_facts or {}).get("dtype"),
        "metric": of.method.metric, "index": of.settings["index"],
        "fast_index": report, "calibration": None if calibration is None else calibration.told,
        "megabytes": round(sum(
            path.stat().st_size for path in of.folder.rglob("*") if path.is_file()) / 1e6, 1),
        "skipped": _skipped(of),
        "vprkit": of.settings["vprkit"],
    }  # fmt: skip


def _skipped(of: "Map") -> list[dict[str, str]]:
    """Photos that could not be read, and why; one that could be read before goes on answering as it was."""
    kept = {path for path in of.store.skipped if (row := of.store.keys.get(path)) is not None and of.live[row]}
    return [{"path": path, "why": f"{why}; kept as it was described before" if path in kept else why}
            for path, why in of.store.skipped.items()]  # fmt: skip


def problems(of: "Map") -> list[str]:
    """What is wrong with a map, one sentence each: checksums, missing and changed photos, a stale index, a damaged
    calibration.
    """
    found = of.store.verify()
    rows = np.flatnonzero(of.live)
    records = of.store.records(rows)
    files = file_facts(records)
    missing = rows[files.size < 0]
    same = [same_content(of.store, int(row), records, place, files) for place, row in enumerate(rows)]
    changed = rows[~np.array(same, bool)]
    for one, several, which in (("is no longer where it was", "are no longer where they were", missing),
                                ("has changed since", "have changed since", changed)):  # fmt: skip
        if len(which):
            examples = ", ".join(of.store.names[int(row)] for row in which[:3])
            what = one if len(which) == 1 else several
            found.append(f"{len(which)} of {len(rows)} photos {what}, such as {examples}")
    if of.settings["index"] == "fast" and not isinstance(of.index, FastIndex):
        found.append("the fast index does not cover the map; run `vpr map build` again")
    try:
        _ = of.calibration
    except StoreError as error:
        found.append(str(error))
    return found
