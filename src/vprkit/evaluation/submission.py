"""Prediction files: one line per query, its key and then the keys of its answers, best first, separated by spaces.

This is the format of the Mapillary SLS challenge; the key of a sequence is those of its frames joined by commas, and
lines that start with `#` are comments.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from vprkit.data.benchmark import Benchmark
from vprkit.errors import DataError
from vprkit.evaluation.result import DatabaseImage, QueryResult, Result
from vprkit.files import refuse_to_overwrite, unread, write_atomically

DEPTH = 25
"""Answers per query that the challenge asks for."""


def write_submission(result: Result, path: str | Path, *, overwrite: bool = False) -> None:
    """Write the rankings of a result.

    Raises:
        DataError: two images of one role share a key, or a key holds a space.
        VprError: the file exists or cannot be written.
    """
    path = Path(path)
    refuse_to_overwrite(path, overwrite)
    queries = _keys([_names(row) for row in result.rankings])
    numbers = sorted(result.images)
    database = dict(zip(numbers, _keys([_names(result.images[number]) for number in numbers]), strict=True))
    lines = [f"# {result.method} on {result.benchmark}, protocol {result.protocol or 'none named'}"]
    lines += [" ".join([key, *(database[number] for number in row.ranking)])
              for key, row in zip(queries, result.rankings, strict=True)]  # fmt: skip
    write_atomically(path, "\n".join(lines) + "\n")


def read_submission(path: str | Path, benchmark: Benchmark) -> np.ndarray:
    """Rankings of a prediction file, ours or somebody's, for `evaluate_rankings`.

    Queries may stand in any order; those of the benchmark that the file leaves out have no answer. Lines about other
    queries are passed over, as the challenge's files may name queries without a positive.

    Returns:
        (Q, K) int64 database numbers, best first, -1 where a line is shorter.

    Raises:
        DataError: unreadable, a key that is no database image, the same query or answer twice; the line is named. Or
            no line is about a query of the benchmark.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(unread(path, error, "cannot be read as a prediction file")) from error
    asked, answers = (
        {key: number for number, key in enumerate(_keys(names))}
        for names in (_items(benchmark, "queries"), _items(benchmark, "database"))
    )
    found: dict[int, list[int]] = {}
    for number, line in enumerate(lines, 1):
        key, *given = line.split() or [""]
        if not key or key.startswith("#") or key not in asked:
            continue
        if asked[key] in found:
            raise DataError(f"{path}, line {number}: the query '{key}' has a line already; keep one")
        found[asked[key]] = _numbers(given, answers, f"{path}, line {number}")
    if not found:
        raise DataError(f"{path}: no line is about one of the {len(asked)} queries of {benchmark.name}")
    rankings = np.full((len(asked), max(1, *map(len, found.values()), 1)), -1, np.int64)
    for row, numbers in found.items():
        rankings[row, : len(numbers)] = numbers
    return rankings


def key_of(name: str) -> str:
    """The key of an image: its file name without extension, or the image id of an `@` name."""
    base = name.rsplit("/", 1)[-1]
    fields = base.split("@")
    return fields[7] if len(fields) > 8 and fields[7] else base.rsplit(".", 1)[0]


def _names(item: QueryResult | DatabaseImage) -> list[str]:
    return item.frames or [item.name]


def _items(benchmark: Benchmark, role: str) -> list[list[str]]:
    """Names of the images of every item."""
    if benchmark.frames is None:
        return [[name] for name in benchmark.images()[role].names]
    frames = benchmark.frames.queries if role == "queries" else benchmark.frames.database
    return [frames.names(item) for item in range(len(frames.rows))]


def _numbers(keys: Sequence[str], known: Mapping[str, int], where: str) -> list[int]:
    unknown = next((key for key in keys if key not in known), None)
    if unknown is not None:
        raise DataError(f"{where}: the answer '{unknown}' is none of the {len(known)} database images")
    if len(set(keys)) != len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise DataError(f"{where}: the answer '{twice}' stands twice; keep the better place")
    return [known[key] for key in keys]


def _keys(items: Sequence[Sequence[str]]) -> list[str]:
    """Keys of items, which are lists of names."""
    parts = [[key_of(name) for name in names] for names in items]
    bad = next((name for names, keys in zip(items, parts, strict=True) for name, key in zip(names, keys, strict=True)
                if not key or "," in key or any(map(str.isspace, key))), None)  # fmt: skip
    if bad is not None:
        raise DataError(f"'{bad}' has no key that a prediction file can hold: it is empty or holds a space or a comma")
    keys = [",".join(each) for each in parts]
    if len(set(keys)) != len(keys):
        twice = Counter(keys).most_common(1)[0][0]
        raise DataError(f"the key '{twice}' belongs to two images, so a prediction file would be ambiguous")
    return keys
