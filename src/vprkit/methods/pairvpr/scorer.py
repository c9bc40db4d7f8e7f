"""Comparing one image with many: what depends on one image alone is computed once for it.

Of a direction's 71 GMAC at 322 px, keys and values of the image that is looked at take 7.5, the step before anything
is looked at 2, rows of the last block that nobody reads 4.6 (Pair-VPR specification 4.1).
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from vprkit import device as devices
from vprkit.errors import VprError
from vprkit.features import LocalFeatures
from vprkit.methods.pairvpr.decoder import KeysValues
from vprkit.methods.pairvpr.network import PairVPR

Products = Literal["exact", "half"]

BLOCK_NUMBERS = 2**22
"""Of the widest layer's output for all candidates at once on a CPU, 2 of 529 patches: more does not stay near it."""

DEVICE_NUMBERS = 2**26
"""The same on accelerators: 41 candidates of 529 patches."""


@dataclass(frozen=True)
class Prepared:
    """Images of one size, ready to stand on either side of a comparison.

    Attributes:
        started: (B, 1 + N, E) their side with the class token, up to where the other image is first looked at.
        memory: per decoder block, keys and values (B, heads, N, E / heads) that others read.
    """

    started: Tensor
    memory: list[KeysValues]

    def __len__(self) -> int:
        return len(self.started)

    @property
    def nbytes(self) -> int:
        return self.started.nbytes + sum(part.nbytes for known in self.memory for part in known)

    def each(self) -> "Iterator[Prepared]":
        """One after the other, each in memory of its own."""
        for row in range(len(self)):
            memory = [KeysValues(*(part[row : row + 1].clone() for part in known)) for known in self.memory]
            yield Prepared(self.started[row : row + 1].clone(), memory)

    @staticmethod
    def cat(parts: "list[Prepared]") -> "Prepared":
        """Several together."""
        memories = zip(*(part.memory for part in parts), strict=True)
        return Prepared(
            torch.cat([part.started for part in parts]),
            [KeysValues(*(torch.cat(both) for both in zip(*known, strict=True))) for known in memories],
        )


class PairScorer:
    """The decoder of a network as a function of prepared images.

    Args:
        network: a finished Pair-VPR; its decoder is used, never its encoder.
        device: where it is.
        products: `exact` in float32, or `half`: products in half precision between sums in float32.
    """

    def __init__(self, network: PairVPR, device: torch.device, products: Products = "exact") -> None:
        self.device = device
        self.network, self.precision = _HALVED[products](network, device)

    def prepare(self, local: LocalFeatures) -> Prepared:
        """Decoder projections of images, whatever they are compared with.

        Args:
            local: of B images of one size, `Features.local` of Pair-VPR.

        Raises:
            VprError: images of several sizes.
        """
        grid = grid_of(local)
        with devices.inference(self.device, self.precision):
            return Prepared(self.network.start(local.tokens, grid), self.network.memory(local.tokens, grid))

    def start(self, local: LocalFeatures) -> Tensor:
        """(B, 1 + N, E): of `prepare`, what one direction alone needs of candidates."""
        with devices.inference(self.device, self.precision):
            return self.network.start(local.tokens, grid_of(local))

    def memory(self, local: LocalFeatures) -> list[KeysValues]:
        """Of `prepare`, what the other direction alone needs of candidates."""
        with devices.inference(self.device, self.precision):
            return self.network.memory(local.tokens, grid_of(local))

    def score(self, query: Prepared, candidates: Prepared) -> Tensor:
        """(C,) s(query, candidate) + s(candidate, query), float32."""
        return self.judge(query.started, candidates.memory) + self.judge(candidates.started, query.memory)

    def judge(self, started: Tensor, memory: list[KeysValues]) -> Tensor:
        """(C,) logits of one direction, float32; one image on either side is compared with all of the other."""
        with devices.inference(self.device, self.precision):
            return self.network.judge(started, memory).float()[:, 0]

    def blocks(self, local: LocalFeatures, most: int | None = None) -> Iterator[LocalFeatures]:
        """Parts of a block of candidates that are compared at once, of at most `most`."""
        config = self.network.config
        widest = local.tokens.shape[1] * int(config.width * config.mlp_ratio)
        room = max(1, (BLOCK_NUMBERS if self.device.type == "cpu" else DEVICE_NUMBERS) // widest)
        count = room if most is None else min(most, room)
        for start in range(0, len(local), count):
            yield local.map(lambda tensor: tensor[start : start + count])  # noqa: B023


def _exact(network: PairVPR, device: torch.device) -> tuple[PairVPR, devices.Precision]:
    return network, "fp32"


def _half(network: PairVPR, device: torch.device) -> tuple[PairVPR, devices.Precision]:
    """The network with a second decoder whose matrices are in half precision; the encoder is the same one.

    Autocast alone would convert every matrix for every block of candidates again.
    """
    dtype = devices.half_type(device)
    other = copy.deepcopy(network, {id(network.encoder): network.encoder})
    for part in (other.dec_blocks, other.classvprmodule):
        for layer in part.modules():
            if isinstance(layer, nn.Linear):
                layer.to(dtype)
    return other, "bf16" if dtype is torch.bfloat16 else "fp16"


_HALVED = {"exact": _exact, "half": _half}


def grid_of(local: LocalFeatures) -> tuple[int, int]:
    """(h, w) of images of one size.

    Raises:
        VprError: they differ in size, or are no dense maps.
    """
    if local.grid is None:
        raise VprError("Pair-VPR compares images of one size, a block holds several; resize all images alike")
    return local.grid
