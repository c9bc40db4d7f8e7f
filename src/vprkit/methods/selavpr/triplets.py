"""What SelaVPR learns from: triplets of images, a global hinge and a local one (Lu et al., ICLR 2024, section 3.3)."""

import torch
from torch import Tensor

from vprkit.errors import VprError
from vprkit.features import Features
from vprkit.losses.triplet import triplet_hinge
from vprkit.methods.selavpr.local_matches import local_hinge
from vprkit.methods.selavpr.network import SelaVPR


def collate_triplets(items: int, negatives: int) -> Tensor:
    """(items * negatives, 3) rows of a batch whose items are query, positive, negatives one after the other."""
    start = torch.arange(items)[:, None] * (2 + negatives)
    third = start + 2 + torch.arange(negatives)
    return torch.stack([start.expand_as(third), (start + 1).expand_as(third), third], -1).reshape(-1, 3)


def triplet_losses(features: Features, triplets: Tensor, margin: float = 0.1) -> dict[str, Tensor]:
    """`loss`, the sum of `global` and `local`, each a mean over the triplets.

    Args:
        features: of the batch, with local maps of one size.
        triplets: (T, 3) rows of query, positive, negative.
        margin: of the global hinge.
    """
    if features.local is None:
        raise VprError("SelaVPR's loss needs local features")
    globally = triplet_hinge(features.global_, triplets, margin) / len(triplets)
    locally = local_hinge(features.local.tokens, triplets) / len(triplets)
    return {"loss": globally + locally, "global": globally, "local": locally}


def freeze(network: SelaVPR) -> None:
    """Leave only adapters, GeM's exponent and the up-convolutions learning."""
    for name, parameter in network.backbone.named_parameters():
        parameter.requires_grad_("adapter" in name)
