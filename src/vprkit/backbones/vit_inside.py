"""The one ViT inside a network, for what looks into the blocks of any method."""

from torch import nn

from vprkit.backbones.vit import ViT
from vprkit.errors import NotAvailable


def vit_inside(network: nn.Module, name: str, what: str) -> ViT:
    """The network's ViT.

    Args:
        network: of a method.
        name: of the method, for the message.
        what: what wants to read it, such as `guided re-ranking`.

    Raises:
        NotAvailable: the network holds no ViT, or several.
    """
    found = [module for module in network.modules() if isinstance(module, ViT)]
    if len(found) != 1:
        raise NotAvailable(
            f"{what} reads the patches of a DINOv2, '{name}' has {len(found) or 'none'}; choose a method on one"
        )
    return found[0]
