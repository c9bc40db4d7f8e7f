"""BoQ: learned queries that look at the image (Ali-bey et al., "BoQ: A Place is Worth a Bag of Learnable Queries", CVPR
2024, arXiv 2405.07364)."""

import torch
from torch import Tensor, nn

from vprkit.aggregators.unit import unit
from vprkit.errors import ConfigError

HEAD_WIDTH = 64


def heads_of(dim: int) -> int:
    """Attention heads of a width: one per 64 channels.

    Raises:
        ConfigError: they do not divide it.
    """
    heads = dim // HEAD_WIDTH
    if heads < 1 or dim % heads:
        raise ConfigError(
            f"proj_channels must be {HEAD_WIDTH} or more and divide into heads of {HEAD_WIDTH}, got {dim}"
        )
    return heads


class BoQBlock(nn.Module):
    """An encoder layer for the tokens, and queries that attend to each other and then to the tokens."""

    def __init__(self, dim: int, num_queries: int) -> None:
        super().__init__()
        heads = heads_of(dim)
        self.encoder = nn.TransformerEncoderLayer(dim, heads, 4 * dim, dropout=0.0, batch_first=True)
        self.queries = nn.Parameter(torch.randn(1, num_queries, dim))
        self.self_attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.norm_q = nn.LayerNorm(dim)
        self.cross_attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.norm_out = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor, maps: bool = False) -> tuple[Tensor, Tensor, Tensor | None]:
        """One block's step.

        Args:
            tokens: (B, n, d).
            maps: also give the attention.

        Returns:
            Tokens (B, n, d) for the next block, answers (B, Q, d), attention (B, Q, n) or None.
        """
        tokens = self.encoder(tokens)
        # The queries do not depend on the image: computed once, whatever the batch.
        own, _ = self.self_attn(self.queries, self.queries, self.queries, need_weights=False)
        queries = self.norm_q(self.queries + own).expand(len(tokens), -1, -1)
        answers, attention = self.cross_attn(queries, tokens, tokens, need_weights=maps)
        return tokens, self.norm_out(answers), attention


class BoQ(nn.Module):
    """Answers of all blocks, mixed into a few rows: (B, C, h, w) -> (B, proj_channels * row_dim) unit vectors.

    Args:
        in_channels: C.
        proj_channels: d, best a multiple of 64 (one attention head each); the slow axis of the vector.
        num_queries: Q per block.
        num_layers: L blocks.
        row_dim: rows left of the L * Q answers, its fast axis.
    """

    def __init__(
        self,
        in_channels: int = 1024,
        proj_channels: int = 512,
        num_queries: int = 32,
        num_layers: int = 2,
        row_dim: int = 32,
    ) -> None:
        super().__init__()
        if min(in_channels, num_queries, num_layers, row_dim) < 1:
            raise ConfigError("BoQ needs positive sizes: channels, queries, layers and rows")
        self.proj_c = nn.Conv2d(in_channels, proj_channels, kernel_size=3, padding=1)
        self.norm_input = nn.LayerNorm(proj_channels)
        self.boqs = nn.ModuleList(BoQBlock(proj_channels, num_queries) for _ in range(num_layers))
        self.fc = nn.Linear(num_layers * num_queries, row_dim)

    def forward(self, features: Tensor) -> Tensor:
        return self._describe(features, maps=False)[0]

    def attend(self, features: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The descriptors, and per block where its queries look: (B, Q, n) attention averaged over heads."""
        return self._describe(features, maps=True)

    def _describe(self, features: Tensor, maps: bool) -> tuple[Tensor, list[Tensor]]:
        tokens = self.norm_input(self.proj_c(features).flatten(2).transpose(1, 2))
        answers, attention = [], []
        for block in self.boqs:
            tokens, answer, looked = block(tokens, maps)
            answers.append(answer)
            if looked is not None:
                attention.append(looked)
        rows = self.fc(torch.cat(answers, dim=1).transpose(1, 2))
        return unit(rows.flatten(1)), attention
