"""The head of CosPlace (Berton et al., CVPR 2022, arXiv 2204.02287), of EigenPlaces and of ProGEO's ResNets."""

from collections import OrderedDict

from torch import Tensor, nn

from vprkit.aggregators.gem import GeM
from vprkit.aggregators.unit import unit
from vprkit.errors import ConfigError


class L2Norm(nn.Module):
    """Unit length along axis 1."""

    def forward(self, values: Tensor) -> Tensor:
        return unit(values)


def cosplace_layers(in_dim: int, out_dim: int) -> "OrderedDict[str, nn.Module]":
    """The head's layers in order; released files name them by position (`3.weight`), others by name (`fc.weight`).

    `nn.Sequential(*layers.values())` has the former keys, `nn.Sequential(layers)` the latter.
    """
    if in_dim < 1 or out_dim < 1:
        raise ConfigError(f"a CosPlace head needs positive widths, got {in_dim} -> {out_dim}")
    return OrderedDict(norm=L2Norm(), gem=GeM(), flatten=nn.Flatten(), fc=nn.Linear(in_dim, out_dim), unit=L2Norm())


class CosPlace(nn.Sequential):
    """Channel L2 norm, GeM, linear layer, L2 norm: (B, in_dim, h, w) -> (B, out_dim) unit vectors."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__(cosplace_layers(in_dim, out_dim))
