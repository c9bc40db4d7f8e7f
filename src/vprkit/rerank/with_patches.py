"""Attention-guided re-ranking for any method whose network holds a DINOv2: its own patches, its own attention."""

from typing import Any

from torch import Tensor, nn

from vprkit import config
from vprkit.backbones.patch_features import PatchConfig, describe_patches
from vprkit.backbones.vit import ViT
from vprkit.backbones.vit_inside import vit_inside
from vprkit.features import Features
from vprkit.method import Method
from vprkit.rerank.guided_matches import GuidedMatches

GUIDED = "guided"
"""Under which a configuration holds what is read out of the ViT."""


class WithPatches(nn.Module):
    """A network whose features get the patches of its ViT as local features, from the same pass.

    Args:
        network: (B, 3, H, W) -> (B, D) or `Features`, with one ViT inside.
        trunk: that ViT.
        patches: what is read out of it.
    """

    def __init__(self, network: nn.Module, trunk: ViT, patches: PatchConfig) -> None:
        super().__init__()
        self.network, self.patches = network, patches
        self._trunk = [trunk]  # a list: the trunk is a part of the network already

    def forward(self, images: Tensor) -> Features:
        described = describe_patches(self._trunk[0], images, self.patches, self.network)
        output: Any = described.output
        return Features(output.global_ if isinstance(output, Features) else output, described.local)


def with_patches(method: Method, patches: PatchConfig | None = None, second: GuidedMatches | None = None) -> Method:
    """The method with attention-guided re-ranking as its second stage; its global vectors stay what they are.

    Args:
        method: any whose network holds one DINOv2 (rerankvpr, dinov2, salad, megaloc, boq, ...).
        patches: what is read out of its ViT.
        second: how patches are matched.

    Raises:
        NotAvailable: the network holds no ViT, or several.
    """
    trunk = vit_inside(method.network, method.name, "guided re-ranking")
    chosen = patches or PatchConfig()
    return Method(
        WithPatches(method.network, trunk, chosen), method.preprocessing, name=method.name, metric=method.metric,
        configuration={**method.configuration, GUIDED: config.to_dict(chosen)}, weights=method.weights,
        device=method.device, precision=method.precision, reranker=second or GuidedMatches(),
    )  # fmt: skip
