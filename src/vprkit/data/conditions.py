"""`conditions.csv` in a set's folder: the condition of each query, where names do not tell it (Tokyo's three times).

Columns `query,condition`; queries it leaves out keep what they have.
"""

import dataclasses

from vprkit.data.layouts.layout import Roles
from vprkit.data.layouts.table import read_rows
from vprkit.errors import DataError

FILE = "conditions.csv"


def with_conditions(roles: Roles) -> Roles:
    """The roles with the conditions of the file, if there is one.

    Raises:
        DataError: a column is missing, or a name is not among the queries; the line is named.
    """
    path = roles.root / FILE
    if not path.is_file():
        return roles
    queries = roles.queries
    rows = queries.names.numbered()
    rows = {**{name.rsplit("/", 1)[-1]: row for name, row in rows.items()}, **rows}
    conditions = [queries.text("condition", row) for row in range(len(queries))]
    for line, fields in read_rows(path):
        if "query" not in fields or "condition" not in fields:
            raise DataError(f"{path}: needs the columns 'query' and 'condition', has {', '.join(fields)}")
        if fields["query"] not in rows:
            raise DataError(f"{path}, line {line}: '{fields['query']}' is not among the queries")
        conditions[rows[fields["query"]]] = fields["condition"].strip()
    return dataclasses.replace(roles, queries=queries.with_text("condition", conditions))
