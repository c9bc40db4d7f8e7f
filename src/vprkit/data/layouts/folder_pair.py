"""A folder of database photos beside a folder of queries: the `@` layout, SVOX, SF-XL's splits, and one's own."""

from fnmatch import fnmatchcase
from pathlib import Path

from vprkit.config import nearest
from vprkit.data.folders import read_folder
from vprkit.data.layouts.at import condition_of
from vprkit.data.layouts.layout import Layout, Request, Roles, split_folders
from vprkit.data.records import Records, concatenated
from vprkit.errors import ConfigError

DATABASE = ("database", "gallery", "ref", "reference", "references", "db")
QUERIES = ("queries", "query", "live", "queries_v1")


def read(request: Request) -> Roles | None:
    for root in split_folders(request.path, request.split):
        roles = pair_in(root, request)
        if roles is not None:
            return roles
    return None


def pair_in(root: Path, request: Request) -> Roles | None:
    """The roles of two folders in `root`, None where there are none.

    Several folders of queries (`queries_night,queries_rain` or `queries_*`) are read one after the other; each gives
    its images the condition in its name.
    """
    database = _first(root, (request.database,) if request.database else DATABASE)
    folders = _query_folders(root, request.queries)
    if database is None or not folders:
        return None
    tables = [_with_condition(read_folder(folder, root), folder, several=len(folders) > 1) for folder in folders]
    queries = tables[0] if len(tables) == 1 else concatenated(tables)
    return Roles(root, read_folder(database, root), queries, tuple(_notices(root, request, database, folders)))


def _query_folders(root: Path, asked: str | None) -> list[Path]:
    if asked is None:
        usual = _first(root, QUERIES)
        return [usual] if usual else _siblings(root)[:1]
    present = sorted(folder.name for folder in root.iterdir() if folder.is_dir())
    chosen: list[Path] = []
    for name in (part.strip() for part in asked.split(",")):
        fitting = [folder for folder in present if fnmatchcase(folder, name)]
        fitting = fitting or [folder for folder in (f"queries_{name}", f"query_{name}") if folder in present]
        if not fitting:
            if chosen:
                raise ConfigError(f"{root}: there is no folder '{name}' of queries{nearest(name, present)}")
            return []
        chosen += [root / folder for folder in fitting]
    return list(dict.fromkeys(chosen))


def _siblings(root: Path) -> list[Path]:
    """Folders such as `queries_night`."""
    return sorted(folder for pattern in ("queries_*", "query_*") for folder in root.glob(pattern) if folder.is_dir())


def _notices(root: Path, request: Request, database: Path, folders: list[Path]) -> list[str]:
    notices = [f"the database are read from {database}"] if database.name != "database" else []
    if len(folders) == 1 and folders[0].name != "queries":
        notices.append(f"the queries are read from {folders[0]}")
    others = [folder.name for folder in _siblings(root) if folder not in folders]
    if others and request.queries is None:
        notices.append(f"other queries lie here too and were not read: {', '.join(others)}")
    return notices


def _with_condition(records: Records, folder: Path, several: bool) -> Records:
    """The condition in the folder's name (`queries_night`), where the images themselves name none.

    Of several folders each is told apart by whatever its name says (`queries_v1`, `queries_occlusion`).
    """
    condition = condition_of(folder.name)
    if condition is None and several:
        condition = folder.name.partition("_")[2] or folder.name
    if condition is None or "condition" in records.texts:
        return records
    return records.with_text("condition", [condition] * len(records))


def _first(root: Path, names: tuple[str, ...]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


LAYOUT = Layout("folders", "database/ and queries/ (or gallery, ref, query), positions in @ names, EXIF or none", read)
