"""SelaVPR as a place-recognition network (Lu et al., ICLR 2024, arXiv 2402.14505)."""

import dataclasses
from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vprkit.aggregators.gem import GeM
from vprkit.backbones.dinov2 import dinov2_config
from vprkit.backbones.dinov2_sizes import TABLE_SIZE, Size
from vprkit.backbones.vit import Tokens, ViT, ViTConfig
from vprkit.config import option
from vprkit.features import Features, LocalFeatures
from vprkit.methods.selavpr.adapters import adapters
from vprkit.rerank.mutual_matches import MutualMatches


@dataclass(frozen=True)
class SelaVPRConfig:
    """Options of `selavpr`."""

    size: Size = option("L", "DINOv2's size: S, B, L or g; released models are L")
    registers: int = option(0, "register tokens: 4 in SelaVPR_reg4_msls")
    adapter_ratio: float = option(0.5, "width of an adapter's bottleneck over the transformer's")
    local_mid_channels: int = option(256, "channels between the two up-convolutions")
    local_channels: int = option(128, "width of a local descriptor")
    depth: int | None = option(None, "blocks of the DINOv2; none: as many as the size has")
    table_size: int = option(TABLE_SIZE, "side in pixels that the position table was made for")

    def backbone(self) -> ViTConfig:
        """The transformer. SelaVPR resizes positions by factors, not antialiased, also with registers."""
        plain = dinov2_config(self.size, depth=self.depth, table_size=self.table_size)
        return dataclasses.replace(plain, num_register_tokens=self.registers)


class LocalAdapt(nn.Module):
    """Two transposed 3 x 3 convolutions of stride 2: (B, D, h, w) -> (B, C, 4h - 3, 4w - 3)."""

    def __init__(self, channels: int, middle: int, out: int) -> None:
        super().__init__()
        self.upconv1 = nn.ConvTranspose2d(channels, middle, 3, stride=2, padding=1)
        self.upconv2 = nn.ConvTranspose2d(middle, out, 3, stride=2, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.upconv2(F.relu(self.upconv1(features)))
        return result


class SelaVPR(nn.Module):
    """(B, 3, H, W) images, sides multiples of the patch, to a global vector and a dense map of local descriptors.

    The global vector is GeM over patch tokens that were normalised one by one; the local map has (4h - 3) x (4w - 3)
    unit vectors for h x w patches: 61 x 61 of 128 numbers at 224 px in the released models.

    Args:
        backbone: the transformer; every block gets a pair of adapters.
        adapter_ratio: width of their bottleneck.
        local_mid_channels, local_channels: of the up-convolutions.
    """

    def __init__(
        self, backbone: ViTConfig, adapter_ratio: float = 0.5, local_mid_channels: int = 256, local_channels: int = 128
    ) -> None:
        super().__init__()
        width = backbone.embed_dim
        self.backbone = ViT(backbone, adapters=lambda number: adapters(width, adapter_ratio))
        gem = GeM(normalise_locations=True, normalise=True)
        self.aggregation = nn.Sequential(OrderedDict([("1", gem)]))  # released files count from the normalisation
        self.LocalAdapt = LocalAdapt(width, local_mid_channels, local_channels)

    @property
    def trunk(self) -> ViT:
        return self.backbone

    def forward(self, images: Tensor) -> Features:
        tokens = self.backbone.features(images).normed
        local = self.local_map(tokens)
        grid = (local.shape[1], local.shape[2])
        counts = torch.full((len(local),), grid[0] * grid[1], device=local.device)
        return Features(self.pooled(tokens), LocalFeatures(local.flatten(1, 2), counts, grid))

    def describe_global(self, images: Tensor) -> Tensor:
        """(B, D) global vectors alone: what mining and the first stage need."""
        return self.pooled(self.backbone.features(images).normed)

    def heat_map(self, images: Tensor) -> Tensor:
        """(B, h, w) minus the mean of each patch token's channels: where the network looks, as its authors draw it."""
        return -self.backbone.features(images).normed.patch_map.mean(1)

    def pooled(self, tokens: Tokens) -> Tensor:
        """(B, D) unit vectors."""
        vectors: Tensor = self.aggregation(tokens.patch_map)
        return vectors

    def local_map(self, tokens: Tokens) -> Tensor:
        """(B, 4h - 3, 4w - 3, C) unit vectors."""
        raised: Tensor = self.LocalAdapt(tokens.patch_map)
        return F.normalize(raised.permute(0, 2, 3, 1), dim=-1)


def make_reranker(config: SelaVPRConfig) -> MutualMatches:
    """The number of mutual nearest neighbours; one counts as none, as published."""
    return MutualMatches()


def build(config: SelaVPRConfig) -> SelaVPR:
    """The network, with the initial values of training: adapters that change nothing yet."""
    return SelaVPR(config.backbone(), config.adapter_ratio, config.local_mid_channels, config.local_channels)
