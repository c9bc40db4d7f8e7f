"""Texts of LaVPR: a CSV of `image_path,description` attached to the records of a set.

Descriptions are matched by path below the set's root, not by a part of the path; rows that cannot be read are counted.
Those of the MSLS challenge begin with the city (`city miami. `), as LaVPR gives them to its models.
"""

import csv
import dataclasses
import itertools
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from vprkit.data.columns import StringColumn
from vprkit.data.layouts.layout import Roles
from vprkit.data.records import Records
from vprkit.errors import DataError
from vprkit.files import unread

PATH, TEXT = "image_path", "description"


@dataclasses.dataclass(frozen=True)
class Descriptions:
    """Texts by image path; `skipped` lines had no path or the wrong number of fields."""

    path: Path
    texts: dict[str, str]
    skipped: int

    def attach(self, records: Records, limit: int | None = None, prefixes: Iterable[str] | None = None) -> Records:
        """The records with their texts, cut to `limit` characters; images without one keep an empty text, counted.

        An image is found by its name below the set's root, by that name's last parts where a set lies deeper than the
        texts' root, else by its path below the file's folder.

        Args:
            records: N images.
            limit: characters kept, the prefix included.
            prefixes: N texts put before the descriptions; where there is no description there is no prefix.
        """
        below = self._below(records.root)
        texts = (self._text(name) or self.texts.get(f"{below}{name}", "") for name in records.names)
        before = itertools.repeat("", len(records)) if prefixes is None else prefixes
        found = [f"{prefix}{text}"[:limit] if text else "" for prefix, text in zip(before, texts, strict=True)]
        empty = found.count("")
        notices = [f"{self.path.name}: {empty} of {len(records)} images have no description"] if empty else []
        if self.skipped:
            notices.append(f"{self.path.name}: {self.skipped} lines could not be read and were skipped")
        return dataclasses.replace(
            records.with_notice(*notices), texts={**records.texts, "text": StringColumn.of(found)}
        )

    def _below(self, root: Path) -> str:
        """From the file's folder to the root of a set inside it, empty elsewhere."""
        folder, inside = self.path.parent.resolve(), root.resolve()
        return f"{inside.relative_to(folder).as_posix()}/" if folder in inside.parents else ""

    def _text(self, name: str) -> str:
        parts = PurePosixPath(name).parts
        for start in range(len(parts)):
            text = self.texts.get("/".join(parts[start:]))
            if text is not None:
                return text
        return ""


def with_texts(roles: Roles, path: Path) -> Roles:
    """The roles with the texts of a file, behind what the set's readers put before them.

    Raises:
        DataError: as of `read_descriptions`.
    """
    described = read_descriptions(path)
    before = roles.text_prefixes or (None, None)
    database, queries = (
        described.attach(records, prefixes=prefixes)
        for records, prefixes in zip((roles.database, roles.queries), before, strict=True)
    )
    return dataclasses.replace(roles, database=database, queries=queries)


def read_descriptions(path: str | Path) -> Descriptions:
    """The texts of a file.

    Raises:
        DataError: unreadable, or without the two columns.
    """
    path = Path(path)
    texts: dict[str, str] = {}
    skipped = 0
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, skipinitialspace=True)
            header = [name.strip() for name in next(reader, [])]
            if PATH not in header or TEXT not in header:
                raise DataError(f"{path}: needs the columns {PATH} and {TEXT}, has {', '.join(header)}")
            at, text = header.index(PATH), header.index(TEXT)
            for fields in reader:
                if len(fields) != len(header) or not fields[at].strip():
                    skipped += bool(fields)
                    continue
                texts.setdefault(str(PurePosixPath(fields[at].strip().replace("\\", "/"))), fields[text].strip())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(unread(path, error, "cannot be read as UTF-8 CSV")) from error
    return Descriptions(path, texts, skipped)
