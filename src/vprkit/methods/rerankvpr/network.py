"""RerankVPR as a place-recognition network."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from vprkit.backbones.dinov2 import dinov2_config
from vprkit.backbones.dinov2_sizes import TABLE_SIZE, Size
from vprkit.backbones.patch_features import PatchConfig, describe_patches
from vprkit.backbones.vit import Tokens, ViT, ViTConfig
from vprkit.config import option
from vprkit.errors import ConfigError
from vprkit.features import Features
from vprkit.methods.rerankvpr.aggregators import AGGREGATORS, ClassToken, Name
from vprkit.rerank.guided_matches import GuidedMatches


@dataclass(frozen=True)
class RerankVPRConfig:
    """Options of `rerankvpr`."""

    size: Size = option("L", "DINOv2's size: S, B, L or g")
    registers: int = option(0, "register tokens of the DINOv2; 4 in files of the authors' dinov2_finetune")
    aggregator: Name = option(
        "cls",
        "what makes the global vector: cls (published: the class token), or of the patch tokens gem, cosplace, convap, "
        "netvlad, mixvpr, boq, salad, megaloc",
    )
    mixing_grid: tuple[int, int] = option((16, 16), "aggregator=mixvpr: (h, w) that the patch map is averaged to")
    normalise: bool = option(
        False, "L2-normalise the vector, which ranks by cosine; published: raw vectors ranked by squared distance"
    )
    patches: PatchConfig = option(factory=PatchConfig, help="what is read out of its blocks for re-ranking")
    depth: int | None = option(None, "blocks of the DINOv2; none: as many as the size has")
    table_size: int = option(TABLE_SIZE, "side in pixels that the position table was made for")

    def __post_init__(self) -> None:
        if min(self.mixing_grid) < 1:
            raise ConfigError(f"mixing_grid must have positive sides, got {self.mixing_grid}")

    def backbone(self) -> ViTConfig:
        """The transformer, with the position setting of the released DINOv2."""
        return dinov2_config(self.size, registers=self.registers, depth=self.depth, table_size=self.table_size)


class RerankVPR(nn.Module):
    """(B, 3, H, W) images, sides multiples of the patch, to (B, D) vectors, and to descriptors and saliency of patches.

    Args:
        backbone: the transformer. Published training trains its last four blocks: `network.trunk.train_last = 4`.
        aggregator: `Tokens` after the final LayerNorm to (B, D); default the class token.
        normalise: give unit vectors.
        patches: what is read out of the blocks for re-ranking.
    """

    def __init__(
        self,
        backbone: ViTConfig,
        aggregator: nn.Module | None = None,
        normalise: bool = False,
        patches: PatchConfig | None = None,
    ) -> None:
        super().__init__()
        self.backbone = ViT(backbone)
        self.aggregator = aggregator or ClassToken()
        self.normalise = normalise
        self.patches = patches or PatchConfig()

    @property
    def trunk(self) -> ViT:
        return self.backbone

    def forward(self, images: Tensor) -> Features:
        described = describe_patches(self.backbone, images, self.patches, self.describe_global)
        return Features(described.output, described.local)

    def describe_global(self, images: Tensor) -> Tensor:
        """(B, D) global vectors alone: what training and the first stage need."""
        return self.pooled(self.backbone.features(images).normed)

    def pooled(self, tokens: Tokens) -> Tensor:
        """(B, D) vectors of tokens after the final LayerNorm."""
        vectors: Tensor = self.aggregator(tokens)
        # In float32 whatever the precision: a norm rounded to bf16 is off by up to 0.4 %.
        return F.normalize(vectors.float(), dim=-1) if self.normalise else vectors


def make_reranker(config: RerankVPRConfig) -> GuidedMatches:
    """Matches between salient patches; thresholds are settings of the second stage (`--rerank-set`)."""
    return GuidedMatches()


def build(config: RerankVPRConfig) -> RerankVPR:
    """The network, with initial values of training from scratch."""
    backbone = config.backbone()
    aggregator = AGGREGATORS[config.aggregator](backbone.embed_dim, config.mixing_grid)
    return RerankVPR(backbone, aggregator, config.normalise, config.patches)
