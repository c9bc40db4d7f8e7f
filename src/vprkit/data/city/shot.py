"""A shot: everything one photo is made from, so that it can be taken anywhere, at any time, in any order."""

from dataclasses import dataclass
from typing import Literal

Condition = Literal["day", "overcast", "dusk", "night", "rain", "snow"]
CONDITIONS: tuple[Condition, ...] = ("day", "overcast", "dusk", "night", "rain", "snow")
Lens = Literal["photo", "panorama", "crop"]


@dataclass(frozen=True)
class Shot:
    """One photo: camera, moment and the key of everything that is random in it. Local metres and degrees."""

    key: tuple[int, ...]
    place: int
    x: float
    y: float
    height: float
    bearing: float  # of the optical axis, or of the centre of the whole panorama; clockwise from the y axis
    condition: Condition
    time: str  # YYYYMMDD_hhmmss
    fov: float = 70.0  # degrees, photos only
    horizon: float = 0.58
    lens: Lens = "photo"
    size: tuple[int, int] = (224, 224)  # (height, width) of what is rendered, pixels
    full_width: int = 3328  # of the whole panorama, pixels
    column: int = 0  # first column of a crop in the whole panorama

    @property
    def hour(self) -> float:
        """Hour of the day, 0 to 24."""
        clock = self.time[9:]
        return int(clock[:2]) + int(clock[2:4]) / 60
