"""The transformer of CLIP's image and text towers (Radford et al., ICML 2021), with OpenAI's parameter names.

It is our own rather than transformers' CLIP: released ProGEO files fit it name by name, describing images needs no
further package, and prompts that are learnt vectors go through it as they are. Tests hold it to transformers' CLIP.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vprkit.errors import ConfigError

EPSILON = 1e-5
"""Of every LayerNorm."""


class QuickGELU(nn.Module):
    """x sigmoid(1.702 x)."""

    def forward(self, values: Tensor) -> Tensor:
        return values * torch.sigmoid(1.702 * values)


class Attention(nn.Module):
    """Multi-head self-attention with one projection for queries, keys and values, in this order."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise ConfigError(f"a transformer of width {width} cannot have {heads} heads")
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.normal_(self.in_proj_weight, std=width**-0.5)

    def forward(self, tokens: Tensor, causal: bool) -> Tensor:
        """(B, L, width) -> (B, L, width); `causal`: a token sees itself and what comes before it."""
        batch, length, width = tokens.shape
        projected = F.linear(tokens, self.in_proj_weight, self.in_proj_bias)
        q, k, v = projected.view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        out: Tensor = self.out_proj(mixed.transpose(1, 2).reshape(batch, length, width))
        return out


class Block(nn.Module):
    """Attention and a two-layer perceptron, each behind a LayerNorm and added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = Attention(width, heads)
        self.ln_1 = nn.LayerNorm(width, eps=EPSILON)
        self.mlp = nn.Sequential()
        for name, layer in (
            ("c_fc", nn.Linear(width, 4 * width)),
            ("gelu", QuickGELU()),
            ("c_proj", nn.Linear(4 * width, width)),
        ):
            self.mlp.add_module(name, layer)
        self.ln_2 = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, tokens: Tensor, causal: bool) -> Tensor:
        tokens = tokens + self.attn(self.ln_1(tokens), causal)
        out: Tensor = tokens + self.mlp(self.ln_2(tokens))
        return out


class Transformer(nn.Module):
    """Blocks one after the other, (B, L, width) -> (B, L, width).

    Args:
        width: of a token.
        layers: blocks.
        heads: of every attention.
        causal: tokens see only what comes before them (text).
    """

    def __init__(self, width: int, layers: int, heads: int, *, causal: bool = False) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.causal = causal

    def forward(self, tokens: Tensor) -> Tensor:
        for block in self.resblocks:
            tokens = block(tokens, self.causal)
        return tokens
