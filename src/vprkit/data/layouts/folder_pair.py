"""A folder of database photos beside a folder of queries: the `@` layout, VPR-Bench's folders, and one's own."""

from pathlib import Path

from vprkit.data.folders import read_folder
from vprkit.data.layouts.layout import Layout, Request, Roles, split_folders

DATABASE = ("database", "gallery", "ref", "reference", "references", "db")
QUERIES = ("queries", "query", "live")


def read(request: Request) -> Roles | None:
    queries = request.queries
    for root in split_folders(request.path, request.split):
        database_folder = _first(root, DATABASE)
        query_folder = _first(root, (queries,) if queries else QUERIES)
        if database_folder and query_folder:
            usual = [
                name
                for name, folder in (("database", database_folder), ("queries", query_folder))
                if folder.name != name
            ]
            notices = tuple(f"the {name} are read from {_first(root, _aliases(name, queries))}" for name in usual)
            return Roles(root, read_folder(database_folder, root), read_folder(query_folder, root), notices)
    return None


def _aliases(role: str, queries: str | None) -> tuple[str, ...]:
    return DATABASE if role == "database" else (queries,) if queries else QUERIES


def _first(root: Path, names: tuple[str, ...]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


LAYOUT = Layout("folders", "database/ and queries/ (or gallery, ref, query), positions in @ names, EXIF or none", read)
