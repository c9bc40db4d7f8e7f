"""`database.csv` beside `queries.csv`: positions, headings, conditions and texts in tables."""

from pathlib import Path

from vprkit.data.layouts.layout import Layout, Roles, split_folders
from vprkit.data.layouts.table import read_records


def read(path: Path, split: str, queries: str | None) -> Roles | None:
    for root in split_folders(path, split):
        database_file, query_file = root / "database.csv", root / f"{queries or 'queries'}.csv"
        if database_file.is_file() and query_file.is_file():
            return Roles(root, read_records(database_file), read_records(query_file))
    return None


LAYOUT = Layout("tables", "database.csv and queries.csv with path and lat,lon or east,north[,zone]", read, order=40)
