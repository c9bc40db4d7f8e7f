"""From a photo to a network's input, as data: a frozen description that travels with weights, stores and results.

`vprkit.data.images` executes it. Three resize engines exist because published numbers depend on them:
`pil` resizes the 8-bit picture (antialiased when shrinking, rounded to 8 bit), `tensor` resizes the normalised float
tensor without antialias (torchvision's old default for tensors), `tensor_antialias` the same with antialias.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

from vprkit import config
from vprkit.config import option
from vprkit.errors import ConfigError

Fit = Literal["stretch", "shorter", "central_crop", "none"]
Engine = Literal["pil", "tensor", "tensor_antialias"]
Interpolation = Literal["nearest", "box", "bilinear", "bicubic"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """How a method wants its images. Sizes are (height, width) in pixels."""

    size: tuple[int, int] | None = option((224, 224), "(height, width); not used by fit=none")
    fit: Fit = option(
        "stretch",
        "stretch: to size, ratio ignored; shorter: shorter side to min(size), ratio kept; "
        "central_crop: cover size, then crop its centre; none: as it is",
    )
    engine: Engine = option("pil", "pil: 8-bit, antialiased; tensor / tensor_antialias: float after normalising")
    interpolation: Interpolation = option("bilinear", "filter of the resize")
    colour: Literal["rgb", "grey"] = option("rgb", "rgb: 3 channels; grey: 8-bit luma, 1 channel")
    mean: tuple[float, ...] = option(IMAGENET_MEAN, "subtracted per channel from values in [0, 1]")
    std: tuple[float, ...] = option(IMAGENET_STD, "divides per channel")
    multiple: int = option(1, "sides are brought to a multiple of this (a ViT's patch) where fit leaves them free")
    exif_orientation: bool = option(False, "turn the photo as its EXIF block says; published numbers do not")

    def __post_init__(self) -> None:
        channels = 3 if self.colour == "rgb" else 1
        if len(self.mean) != channels or len(self.std) != channels:
            raise ConfigError(f"mean and std need {channels} values for colour={self.colour}")
        if self.fit != "none" and self.size is None:
            raise ConfigError(f"fit={self.fit} needs a size")
        if self.size is not None and min(self.size) < 1:
            raise ConfigError(f"size must be positive, got {self.size}")
        if self.engine != "pil" and self.interpolation not in ("nearest", "bilinear", "bicubic"):
            raise ConfigError(f"engine={self.engine} cannot use interpolation={self.interpolation}")

    @property
    def channels(self) -> int:
        return len(self.mean)

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """The size every image ends up with, or None where it depends on the image."""
        return self.size if self.fit in ("stretch", "central_crop") else None

    def resized(self, request: str) -> "Preprocessing":
        """The same with another resize: `322`, `480x640` (height x width), `shorter:480` or `none`.

        Raises:
            ConfigError: the request reads as none of these.
        """
        text = request.strip().lower()
        if text == "none":
            return dataclasses.replace(self, fit="none")
        kind, _, number = text.rpartition(":")
        parts = number.split("x")
        sides = [int(part) for part in parts if part.isascii() and part.isdigit()]
        if kind in ("", "shorter") and len(sides) == len(parts) <= 2 and min(sides) > 0:
            height, width = sides[0], sides[-1]
            return dataclasses.replace(self, size=(height, width), fit="shorter" if kind else "stretch")
        raise ConfigError(f"resize '{request}' is not readable; write 322, 480x640, shorter:480 or none")

    def to_dict(self) -> dict[str, Any]:
        return config.to_dict(self)

    @staticmethod
    def from_dict(data: dict[str, Any]) -> "Preprocessing":
        return config.from_dict(Preprocessing, data, "preprocessing")

    def fingerprint(self) -> str:
        """A short hash of everything that changes pixels."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:16]
