"""What can be asked of a city, checked before any work starts."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from vprkit import config
from vprkit.config import nearest, option
from vprkit.data.city.shot import CONDITIONS, Condition
from vprkit.errors import ConfigError

LAYOUTS = ("at", "gsv", "msls", "sfxl")


@dataclass(frozen=True)
class CityOptions:
    """Everything that decides the files of a city: the same options give the same bytes."""

    places: int = option(60, "spots at least 60 m apart, over all splits and cities")
    views: int = option(12, "photos per place: half database by day, half queries")
    seed: int = option(0, "another seed is another city")
    layouts: tuple[str, ...] = option(("at",), "on-disk layouts to write: at, gsv, msls, sfxl")
    size: int = option(224, "side of the photos in pixels (sfxl has its own sizes)")
    splits: tuple[float, float, float] = option((0.0, 0.0, 1.0), "shares of places in train, val, test (layout at)")
    conditions: tuple[Condition, ...] = option(
        ("day", "night", "dusk", "rain", "snow", "overcast"), "conditions of the queries, in turn"
    )

    def __post_init__(self) -> None:
        self._check_numbers()
        for kind, known, asked in (("layout", LAYOUTS, self.layouts), ("condition", CONDITIONS, self.conditions)):
            if not asked:
                raise ConfigError(f"a city needs at least one {kind}; known are {', '.join(known)}")
            for name in asked:
                if name not in known:
                    raise ConfigError(f"{kind} '{name}' is unknown{nearest(name, known)}")
        if len(set(self.layouts)) != len(self.layouts):
            raise ConfigError(f"layouts are named twice in {', '.join(self.layouts)}; name each once")

    def _check_numbers(self) -> None:
        if self.places < 2:
            raise ConfigError(f"a city needs at least 2 places, got {self.places}")
        if self.places > 20000:
            raise ConfigError(f"{self.places} places do not fit into one UTM zone; ask for at most 20000")
        if self.views < 4:
            raise ConfigError(f"a place needs at least 4 views (2 database images and 2 queries), got {self.views}")
        if not 32 <= self.size <= 2048:
            raise ConfigError(f"the side of the photos must be between 32 and 2048 pixels, got {self.size}")
        if len(self.splits) != 3 or min(self.splits) < 0 or abs(sum(self.splits) - 1) > 1e-6:
            raise ConfigError(f"splits must be three shares that add up to 1 (train, val, test), got {self.splits}")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as the manifest holds it."""
        return config.to_dict(self)

    def fingerprint(self) -> str:
        """A short hash of all options."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:16]

    def with_seed(self, seed: int) -> "CityOptions":
        """The same options for another city."""
        return dataclasses.replace(self, seed=seed)
