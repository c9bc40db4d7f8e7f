"""How local features lie in memory and on disk: float32, float16, or 8-bit integers with a scale per descriptor."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch

from vprkit.config import nearest
from vprkit.errors import ConfigError
from vprkit.features import LocalFeatures

LocalDtype = Literal["float32", "float16", "int8"]
_BYTES: dict[str, int] = {"float32": 4, "float16": 2, "int8": 1}


@dataclass(frozen=True)
class Encoded:
    """Local features of one image as they are kept.

    Attributes:
        tokens: (L, C) numbers in the codec's type.
        scale: (L,) float32 factors for 8-bit integers, empty otherwise.
        saliency: (L,) float32, empty where descriptors have none.
        grid: (h, w) of a dense map, (0, 0) of anything else.
    """

    tokens: np.ndarray
    scale: np.ndarray
    saliency: np.ndarray
    grid: tuple[int, int]

    @property
    def nbytes(self) -> int:
        return self.tokens.nbytes + self.scale.nbytes + self.saliency.nbytes

    def tobytes(self) -> bytes:
        """Descriptors, scales, saliency: as a store keeps them."""
        return self.tokens.tobytes() + self.scale.tobytes() + self.saliency.tobytes()


@dataclass(frozen=True)
class LocalCodec:
    """Turns local features into what is kept, and back; RAM and disk give the same numbers.

    Attributes:
        dtype: float32 keeps every bit; float16 and int8 take a half and a quarter.
    """

    dtype: LocalDtype = "float16"

    def __post_init__(self) -> None:
        if self.dtype not in get_args(LocalDtype):
            raise ConfigError(
                f"local features as '{self.dtype}' are unknown{nearest(self.dtype, get_args(LocalDtype))}"
            )

    def bytes_of(self, tokens: int, channels: int, saliency: bool) -> int:
        """What an image of so many descriptors takes, with or without a saliency for each."""
        return tokens * (channels * _BYTES[self.dtype] + (4 if self.dtype == "int8" else 0) + (4 if saliency else 0))

    @property
    def numbers(self) -> np.dtype[Any]:
        """Type of the numbers that are kept."""
        return np.dtype("int8" if self.dtype == "int8" else f"<f{_BYTES[self.dtype]}")

    def encode(self, local: LocalFeatures) -> list[Encoded]:
        """One image after the other; padding is left out."""
        grid = local.grid or (0, 0)
        counts = local.counts.tolist()
        tokens = local.tokens.detach().float().cpu().numpy()
        none = local.tokens.new_zeros(len(tokens), 0)
        saliency = (none if local.saliency is None else local.saliency).detach().float().cpu().numpy()
        return [
            Encoded(*self._numbers(row[:count]), salient[:count].astype("<f4"), grid)
            for row, salient, count in zip(tokens, saliency, counts, strict=True)
        ]

    def decode(self, rows: list[Encoded]) -> LocalFeatures:
        """Float32 features on the CPU, padded to the longest."""
        counts = torch.tensor([len(row.tokens) for row in rows])
        longest, channels = int(counts.max()), rows[0].tokens.shape[1]
        tokens = torch.zeros(len(rows), longest, channels)
        for place, row in enumerate(rows):
            values = tokens[place, : len(row.tokens)]
            values.copy_(torch.from_numpy(row.tokens))
            if len(row.scale):
                values.mul_(torch.from_numpy(row.scale)[:, None])
        saliency = torch.zeros(len(rows), longest) if len(rows[0].saliency) else None
        if saliency is not None:
            for place, row in enumerate(rows):
                saliency[place, : len(row.saliency)] = torch.from_numpy(row.saliency)
        grids = {row.grid for row in rows}
        grid = grids.pop() if len(grids) == 1 else (0, 0)
        return LocalFeatures(tokens, counts, grid if grid != (0, 0) else None, saliency=saliency)

    def _numbers(self, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.dtype != "int8":
            return tokens.astype(self.numbers), np.zeros(0, "<f4")
        scale = np.abs(tokens).max(1, initial=0.0) / 127
        steps = np.divide(tokens, scale[:, None], out=np.zeros_like(tokens), where=scale[:, None] > 0)
        return np.rint(steps).astype(np.int8), scale.astype("<f4")
