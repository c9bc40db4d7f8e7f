"""The folder of a run: its configuration, what it ran with, its log and weights; and whether it may be gone on with."""

import dataclasses
import json
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import vprkit
from vprkit import config
from vprkit.errors import ConfigError, StoreError
from vprkit.files import NotLockable, exclusive, write_atomically
from vprkit.weights.runs import FACTS, STATE

CONFIG, LOG, LOCK = "config.yaml", "log.jsonl", "lock"
_PACKAGES = ("torch", "lightning", "pytorch-metric-learning", "kornia", "numpy", "pillow")


class RunFolder:
    """Where a run lives on disk.

    Args:
        path: the folder; made when the run begins.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def state(self) -> Path:
        """Where the run's state for going on is."""
        return self.path / STATE

    @property
    def log(self) -> Path:
        return self.path / LOG

    def check(self, recipe: str, settings: Any, sets: Mapping[str, str]) -> bool:
        """Whether a run is there that these settings go on with; refuse one of other settings or other data.

        Args:
            recipe: its name.
            settings: the configuration.
            sets: what it is trained on and with -> hash.

        Raises:
            ConfigError: another run, or something else, is in the folder; the first difference is named.
        """
        if not self.path.exists() or (self.path.is_dir() and all(path.name == LOCK for path in self.path.iterdir())):
            return False
        if not (self.path / FACTS).is_file() or not (self.path / CONFIG).is_file():
            raise ConfigError(f"{self.path} exists and is no run of vprkit; choose another folder with --out")
        facts = self._facts()
        if facts.get("recipe") != recipe:
            raise ConfigError(
                f"{self.path} holds a run of '{facts.get('recipe')}', not '{recipe}'; choose another --out"
            )
        before = config.from_yaml(type(settings), self.path / CONFIG)
        if difference := first_difference(before, settings):
            raise ConfigError(f"{self.path} holds a run with {difference}; give the same to go on, or another --out")
        changed = [name for name, hash_ in sets.items() if facts.get("training_sets", {}).get(name) != hash_]
        if changed:
            raise ConfigError(
                f"{self.path}: the {changed[0]} is not what the run began with; choose another --out, or bring it back"
            )
        return self.state.is_file()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from training here meanwhile, where the file system has locks (a cluster's may have
        none, and training there is better than not); the folder is made where it is not there.

        Raises:
            StoreError: one does.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            with suppress(NotLockable):
                held.enter_context(exclusive(self.path / LOCK))
            yield

    def begin(self, recipe: str, settings: Any, sets: Mapping[str, str], data: Mapping[str, str]) -> None:
        """Write configuration and facts (again where a run goes on: what may differ does)."""
        write_atomically(self.path / CONFIG, config.to_yaml(settings))
        earlier = self._facts().get("sessions", []) if (self.path / FACTS).is_file() else []
        facts = {
            "recipe": recipe,
            "training_sets": dict(sets),
            "data": dict(data),
            "sessions": [*earlier, {"began": datetime.now(UTC).isoformat(timespec="seconds"), **versions()}],
        }
        write_atomically(self.path / FACTS, json.dumps(facts, indent=1) + "\n")

    def _facts(self) -> dict[str, Any]:
        try:
            facts: dict[str, Any] = json.loads((self.path / FACTS).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StoreError(f"{self.path / FACTS} cannot be read ({error}); choose another --out") from error
        return facts


def versions() -> dict[str, str]:
    """What a run depends on: program, packages, machine, command."""
    found = {"vprkit": vprkit.__version__, "python": platform.python_version(), "machine": platform.machine()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return {**found, "command": " ".join(sys.argv)}


def first_difference(before: Any, now: Any, where: str = "") -> str | None:
    """`key=a where now it is b` of the first field that must not differ when a run goes on; None where all agree."""
    for field in dataclasses.fields(now):
        old, new = getattr(before, field.name), getattr(now, field.name)
        if config.is_free(field):
            continue
        if dataclasses.is_dataclass(new):
            if found := first_difference(old, new, f"{where}{field.name}."):
                return found
        elif old != new:
            return f"{where}{field.name}={old!r} where now it is {new!r}"
    return None
