"""Prediction files: one line per query, its key and then the keys of its answers, best first, separated by spaces.

This is the format of the Mapillary SLS challenge; lines that start with `#` are comments.
"""

from pathlib import Path

from vprkit.errors import DataError
from vprkit.evaluation.result import Result
from vprkit.files import refuse_to_overwrite, write_atomically

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
    queries = _keys([row.name for row in result.rankings])
    numbers = sorted(result.images)
    database = dict(zip(numbers, _keys([result.images[number].name for number in numbers]), strict=True))
    lines = [f"# {result.method} on {result.benchmark}, protocol {result.protocol or 'none named'}"]
    lines += [" ".join([key, *(database[number] for number in row.ranking)])
              for key, row in zip(queries, result.rankings, strict=True)]  # fmt: skip
    write_atomically(path, "\n".join(lines) + "\n")


def key_of(name: str) -> str:
    """The key of an image: its file name without extension, or the image id of an `@` name."""
    base = name.rsplit("/", 1)[-1]
    fields = base.split("@")
    return fields[7] if len(fields) > 8 and fields[7] else base.rsplit(".", 1)[0]


def _keys(names: list[str]) -> list[str]:
    keys = [key_of(name) for name in names]
    bad = next((name for name, key in zip(names, keys, strict=True) if not key or any(map(str.isspace, key))), None)
    if bad is not None:
        raise DataError(f"'{bad}' has no key that a prediction file can hold: it is empty or holds a space")
    if len(set(keys)) != len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise DataError(f"the key '{twice}' belongs to two images, so a prediction file would be ambiguous")
    return keys
