"""What `open_benchmark` is asked for, together with what a protocol fixes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vprkit.config import nearest
from vprkit.data.layouts.finding import SPLITS
from vprkit.data.layouts.layout import Request, Roles
from vprkit.data.msls import SINGLE
from vprkit.data.protocols import Protocol
from vprkit.data.records import checked_name
from vprkit.errors import ConfigError


@dataclass(frozen=True)
class Asked:
    """Options of `open_benchmark`, each as asked for, else as the protocol fixes it, else as usual."""

    split: str = "test"
    ground_truth: str = "auto"
    radius: float | None = None
    queries: str | None = None
    database: str | None = None
    variant: str | None = None
    subtask: str = "all"
    cities: tuple[str, ...] | None = None
    task: str = SINGLE
    length: int = 3
    panoramas: bool = False
    answerable_only: bool | None = None
    per_city: bool | None = None

    @staticmethod
    def of(protocol: Protocol | None, given: Mapping[str, Any]) -> "Asked":
        """From options that are None where nothing was asked.

        Raises:
            ConfigError: something is asked for that the protocol fixes otherwise, or a split is unknown.
            DataError: a folder or city that does not stay inside the set.
        """
        known = {key: value for key, value in given.items() if value is not None}
        asked = Asked(**{**_fixed_by(protocol, known), **known})
        if asked.split not in SPLITS:
            raise ConfigError(f"split '{asked.split}' is unknown{nearest(asked.split, SPLITS)}")
        for named in (asked.queries, asked.database, *(asked.cities or ())):
            for part in (named or "").split(","):
                _ = part.strip() and checked_name(part.strip())
        return asked

    def request(self, path: Path, images: Path | None) -> Request:
        """The same for a layout."""
        return Request(path, self.split, self.database, self.queries, self.variant, self.subtask, self.cities,
                       self.panoramas, images, self.task, self.length, self.radius)  # fmt: skip

    def refuse_unused(self, path: Path, roles: Roles) -> None:
        """Options that only a set with cities, or with sequences, knows must not be passed over in silence."""
        for name, wanted in (("cities", self.cities is not None), ("subtask", self.subtask != "all")):
            if wanted and roles.areas is None:
                raise ConfigError(f"{path}: this set has no cities, so {name} means nothing here; leave it out")
        if roles.frames is None and self.task != SINGLE:
            raise ConfigError(
                f"{path}: no sequences are known here, so the task '{self.task}' means nothing; only Mapillary SLS as "
                "unpacked has them"
            )
        if roles.frames is not None and self.ground_truth not in ("auto", "planar"):
            raise ConfigError(
                f"{path}: a sequence is right where any of its frames is (planar, inside the city), so the "
                f"ground truth '{self.ground_truth}' does not fit; leave it out"
            )


def _fixed_by(protocol: Protocol | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """What a protocol fixes, which must not be asked for otherwise: its name would stay on other figures."""
    if protocol is None:
        return {}
    fixed = {
        "split": protocol.split, "ground_truth": protocol.ground_truth, "radius": protocol.radius, "subtask": "all",
        "cities": None, "task": SINGLE, "panoramas": False, "answerable_only": protocol.answerable_only,
        "per_city": protocol.search_inside, **protocol.select,
    }  # fmt: skip
    other = next((key for key, value in given.items() if fixed.get(key, value) != value), None)
    if other is not None:
        means = "all" if fixed[other] is None else fixed[other]
        raise ConfigError(f"the protocol {protocol.name} fixes {other} to '{means}'; leave {other} out")
    return fixed
