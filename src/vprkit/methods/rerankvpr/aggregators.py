"""What may make RerankVPR's global vector from the last block's tokens; published: the class token as it is."""

from collections.abc import Callable, Mapping
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from vprkit.aggregators.boq import BoQ
from vprkit.aggregators.convap import ConvAP
from vprkit.aggregators.cosplace import CosPlace
from vprkit.aggregators.gem import GeM
from vprkit.aggregators.megaloc import MegaLocHead
from vprkit.aggregators.mixvpr import MixVPR
from vprkit.aggregators.netvlad import NetVLAD
from vprkit.aggregators.salad import Salad
from vprkit.backbones.vit import Tokens

Name = Literal["cls", "gem", "cosplace", "convap", "netvlad", "mixvpr", "boq", "salad", "megaloc"]
Grid = tuple[int, int]


class ClassToken(nn.Module):
    """The class token: (B, D)."""

    def forward(self, tokens: Tokens) -> Tensor:
        return tokens.class_token


class OfPatches(nn.Module):
    """An aggregator of (B, D, h, w) maps on the patch tokens."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, tokens: Tokens) -> Tensor:
        vectors: Tensor = self.head(tokens.patch_map)
        return vectors


class OfPatchesAndClass(OfPatches):
    """One that takes the class token beside the map."""

    def forward(self, tokens: Tokens) -> Tensor:
        vectors: Tensor = self.head(tokens.patch_map, tokens.class_token)
        return vectors


class OfUnitPatches(OfPatches):
    """One that wants unit vectors at every position."""

    def forward(self, tokens: Tokens) -> Tensor:
        vectors: Tensor = self.head(F.normalize(tokens.patch_map, dim=1))
        return vectors


class OfGrid(OfPatches):
    """One whose positions are weights: the map is brought to its grid, as training and test sizes differ.

    Args:
        head: the aggregator.
        grid: (h, w) positions that it knows.
    """

    def __init__(self, head: nn.Module, grid: Grid) -> None:
        super().__init__(head)
        self.grid = grid

    def forward(self, tokens: Tokens) -> Tensor:
        vectors: Tensor = self.head(F.adaptive_avg_pool2d(tokens.patch_map, self.grid))
        return vectors


AGGREGATORS: Mapping[Name, Callable[[int, Grid], nn.Module]] = {
    "cls": lambda width, grid: ClassToken(),
    "gem": lambda width, grid: OfPatches(GeM(normalise_locations=True, normalise=True)),
    "cosplace": lambda width, grid: OfPatches(CosPlace(width, width)),
    "convap": lambda width, grid: OfPatches(ConvAP(width)),
    "netvlad": lambda width, grid: OfUnitPatches(NetVLAD(width)),
    "mixvpr": lambda width, grid: OfGrid(MixVPR(width, *grid), grid),
    "boq": lambda width, grid: OfPatches(BoQ(width)),
    "salad": lambda width, grid: OfPatchesAndClass(Salad(width)),
    "megaloc": lambda width, grid: OfPatchesAndClass(MegaLocHead(8448, Salad(width))),
}
"""Name -> made from the tokens' width and the grid of `mixvpr`; sizes are those of the aggregators' own defaults."""
