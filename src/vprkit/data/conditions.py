"""`conditions.csv` in a set's folder: the condition of each query, where names do not tell it (Tokyo's three times).

Columns `query,condition`; a query is a path, a file name, its stem, or the image id of an `@` name. Queries it leaves
out keep what they have.
"""

import dataclasses
from pathlib import Path

from vprkit.data.layouts.layout import Roles
from vprkit.data.layouts.table import read_rows
from vprkit.data.query_lists import rows_by_key
from vprkit.errors import DataError

FILE = "conditions.csv"


def with_conditions(roles: Roles, folder: Path) -> Roles:
    """The roles with the conditions of the file, if there is one beside them or in the set's folder.

    Raises:
        DataError: a column is missing, or a name is not among the queries; the line is named.
    """
    path = next((place / FILE for place in (roles.root, folder) if (place / FILE).is_file()), None)
    if path is None:
        return roles
    queries = roles.queries
    rows = rows_by_key(queries)
    conditions = [queries.text("condition", row) for row in range(len(queries))]
    for line, fields in read_rows(path):
        if "query" not in fields or "condition" not in fields:
            raise DataError(f"{path}: needs the columns 'query' and 'condition', has {', '.join(fields)}")
        row = rows.get(fields["query"].strip())
        if row is None:
            raise DataError(f"{path}, line {line}: '{fields['query']}' is not among the queries")
        conditions[row] = fields["condition"].strip()
    return dataclasses.replace(roles, queries=queries.with_text("condition", conditions))
