"""Make a city on disk: plan, photos, tables, manifest. Interrupted work resumes, finished work is protected."""

import hashlib
import importlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vprkit.data.city.frames import Frame, Layout, write_text
from vprkit.data.city.jobs import Done, Job, run_jobs
from vprkit.data.city.options import CityOptions
from vprkit.errors import DataError

MANIFEST, FILES, WORK = "city.json", "city-files.txt", ".city-work"
_FORMAT = 1  # raised whenever the same options give other bytes
_LAYOUTS = {
    "at": "vprkit.data.city.layouts.at:AtLayout",
    "gsv": "vprkit.data.city.layouts.gsv:GsvLayout",
    "msls": "vprkit.data.city.layouts.msls:MslsLayout",
    "sfxl": "vprkit.data.city.layouts.sfxl:SfxlLayout",
}
_FEW = 30  # photos up to which starting workers takes longer than rendering
Progress = Callable[[int, int], None]  # photos done, photos in all


@dataclass(frozen=True)
class CitySummary:
    """What was made: the folder of each layout and how much is in it."""

    out: Path
    roots: dict[str, Path]
    places: int
    images: int
    rendered: int  # photos taken in this run; less than `images` after an interruption
    conditions: dict[str, int]  # photos per condition
    list_hash: str  # SHA-256 of the sorted list of files


def make_city(
    out: str | Path,
    places: int = 60,
    views: int = 12,
    seed: int = 0,
    *,
    layouts: Sequence[str] = ("at",),
    size: int = 224,
    splits: tuple[float, float, float] = (0.0, 0.0, 1.0),
    conditions: Sequence[str] | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> CitySummary:
    """Write a procedural city; see `CityOptions` for the options.

    The layout `at`, or the only layout, is written to `out` itself, others to a folder of their name below it.

    Args:
        workers: processes that render, default one per CPU core. The files do not depend on it.
        overwrite: replace an earlier city in `out`. Files that no city wrote are never touched.
        progress: called with (photos done, photos in all).

    Raises:
        ConfigError: an option is out of range.
        DataError: `out` holds something else, and overwriting was not allowed or would not be safe.
    """
    data: dict[str, Any] = {"places": places, "views": views, "seed": seed, "layouts": tuple(layouts), "size": size}
    data["splits"] = tuple(splits)
    if conditions is not None:
        data["conditions"] = tuple(conditions)
    return make_city_from(CityOptions(**data), out, workers=workers, overwrite=overwrite, progress=progress)


def make_city_from(
    options: CityOptions,
    out: str | Path,
    *,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> CitySummary:
    """`make_city` with its options in one object."""
    folder = Path(out)
    done = _prepare(folder, options, overwrite)
    plans = {name: _layout(name).plan(options) for name in options.layouts}
    prefixes = {name: "" if name == "at" or len(options.layouts) == 1 else f"{name}/" for name in options.layouts}
    planned = {prefixes[name] + frame.path: frame for name, frames in plans.items() for frame in frames}
    texts = {path: text for path, text in done.items() if path in planned and (folder / path).is_file()}
    rendered = len(planned) - len(texts)
    _begin(folder, options, [*planned], texts)
    count = workers if workers is not None else os.cpu_count() or 1
    _render(folder, planned, texts, count if rendered > _FEW else 1, progress)
    files = _write_tables(folder, plans, prefixes, texts)
    return _finish(folder, options, files, planned, prefixes, rendered)


def holds_city(folder: str | Path, options: CityOptions) -> bool:
    """Whether a finished city of exactly these options lies there."""
    found = _read_json(Path(folder) / MANIFEST)
    return isinstance(found, dict) and {key: found.get(key) for key in ("format", "options")} == _identity(options)


def _render(folder: Path, planned: dict[str, Frame], texts: Done, workers: int, progress: Progress | None) -> None:
    """Take the photos that are missing; `texts` gains their descriptions, the log remembers them."""
    with (folder / WORK / "done.jsonl").open("a", encoding="utf-8") as log:

        def finished(result: Done) -> None:
            texts.update(result)
            log.write(json.dumps(result) + "\n")
            log.flush()
            if progress is not None:
                progress(len(texts), len(planned))

        run_jobs(_jobs(folder, planned, texts), workers, finished)


def _write_tables(folder: Path, plans: dict[str, list[Frame]], prefixes: dict[str, str], texts: Done) -> list[str]:
    """Write what goes with the photos; returns all files of the city."""
    tables: dict[str, str] = {}
    for name, frames in plans.items():
        below = {frame.path: texts[prefixes[name] + frame.path] for frame in frames}
        tables |= {prefixes[name] + path: text for path, text in _layout(name).tables(frames, below).items()}
    files = sorted([*texts, *tables])
    # Listed before they exist, so that nothing is left behind if this is interrupted.
    write_text(folder / WORK / "files.txt", "\n".join(files) + "\n")
    for path, text in tables.items():
        write_text(folder / path, text)
    return files


def _layout(name: str) -> Layout:
    module, _, attribute = _LAYOUTS[name].partition(":")
    layout: Layout = getattr(importlib.import_module(module), attribute)()
    return layout


def _prepare(folder: Path, options: CityOptions, overwrite: bool) -> Done:
    """Make the folder ready; returns what an interrupted run with the same options has done already."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; name a folder for the city")
    work, manifest = folder / WORK, folder / MANIFEST
    if work.is_dir() and not manifest.exists():
        begun = _read_json(work / "options.json")
        if begun == _identity(options):
            return _read_log(work / "done.jsonl")
        if not overwrite:
            raise DataError(
                f"{folder} holds an unfinished city with other options; finish it, or use overwrite (--overwrite) to "
                "replace it"
            )
        _remove(folder, work / "files.txt")
    elif manifest.is_file():
        if not overwrite:
            raise DataError(f"{folder} already holds a city; choose another folder, or use overwrite (--overwrite) to "
                            "replace it")  # fmt: skip
        _remove(folder, folder / FILES)
    elif folder.is_dir() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty and holds no city made by vprkit; choose a new or empty folder")
    return {}


def _identity(options: CityOptions) -> dict[str, Any]:
    return json.loads(json.dumps({"format": _FORMAT, "options": options.to_dict()}))  # type: ignore[no-any-return]


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _read_log(path: Path) -> Done:
    """Finished jobs; a last line cut off by the interruption is ignored."""
    done: Done = {}
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                done.update(json.loads(line))
            except ValueError:
                break
    return done


def _remove(folder: Path, listing: Path) -> None:
    """Delete the files of an earlier city, and folders that are empty then."""
    names = listing.read_text(encoding="utf-8").splitlines() if listing.is_file() else []
    root, folders = folder.resolve(), set[Path]()
    for name in names:
        path = (folder / name).resolve()
        if root in path.parents:
            path.unlink(missing_ok=True)
            folders.update(parent for parent in path.parents if root in parent.parents)
    for path in sorted(folders, key=lambda p: -len(p.parts)):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    (folder / MANIFEST).unlink(missing_ok=True)
    (folder / FILES).unlink(missing_ok=True)
    shutil.rmtree(folder / WORK, ignore_errors=True)


def _jobs(folder: Path, planned: dict[str, Frame], texts: Done) -> list[Job]:
    """What is left to do, one job per place."""
    groups: dict[Any, list[str]] = {}
    for path, frame in planned.items():
        if path not in texts:
            groups.setdefault(frame.source, []).append(path)
    return [
        Job(str(folder), source, tuple((path, planned[path].shot) for path in paths))
        for source, paths in groups.items()
    ]


def _begin(folder: Path, options: CityOptions, paths: list[str], texts: Done) -> None:
    """Leave what a later run needs to take up this one, or to clear it away."""
    work = folder / WORK
    work.mkdir(parents=True, exist_ok=True)
    write_text(work / "options.json", json.dumps(_identity(options)))
    write_text(work / "files.txt", "\n".join(paths) + "\n")
    # Rewritten rather than continued: its last line may have been cut off.
    write_text(work / "done.jsonl", json.dumps(texts) + "\n")


def _finish(
    folder: Path,
    options: CityOptions,
    files: list[str],
    planned: dict[str, Frame],
    prefixes: dict[str, str],
    rendered: int,
) -> CitySummary:
    """Write the list of files and, last of all, the manifest."""
    listing = "\n".join(files) + "\n"
    digest = hashlib.sha256(listing.encode()).hexdigest()
    counts: dict[str, int] = {}
    for frame in planned.values():
        counts[frame.shot.condition] = counts.get(frame.shot.condition, 0) + 1
    write_text(folder / FILES, listing)
    manifest = {
        **_identity(options),
        "kind": "vprkit city",
        "images": len(planned),
        "conditions": counts,
        "files": len(files),
        "list_sha256": digest,
        "layouts": prefixes,
    }
    write_text(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    shutil.rmtree(folder / WORK, ignore_errors=True)
    roots = {name: folder / prefix for name, prefix in prefixes.items()}
    return CitySummary(folder, roots, options.places, len(planned), rendered, counts, digest)
