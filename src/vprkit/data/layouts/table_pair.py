"""`database.csv` beside `queries.csv`: positions, headings, conditions and texts in tables."""

from vprkit.data.layouts.layout import Layout, Request, Roles, split_folders
from vprkit.data.layouts.table import read_records


def read(request: Request) -> Roles | None:
    for root in split_folders(request.path, request.split):
        database_file = root / f"{request.database or 'database'}.csv"
        query_file = root / f"{request.queries or 'queries'}.csv"
        if database_file.is_file() and query_file.is_file():
            return Roles(root, read_records(database_file), read_records(query_file))
    return None


LAYOUT = Layout("tables", "database.csv and queries.csv with path and lat,lon or east,north[,zone]", read, order=40)
