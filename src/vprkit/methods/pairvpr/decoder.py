"""Pair-VPR's decoder block: a sequence looks at itself, then at another image that no block ever changes.

Because the other image stays what it is, its keys and values depend on it alone: `DecoderBlock.memory` makes them once,
however many sequences are compared with it.
"""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from vprkit.backbones.attention import attend
from vprkit.backbones.vit_blocks import Attention, Mlp, ViTConfig
from vprkit.errors import ConfigError


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes of the decoder; defaults are the released models'.

    Attributes:
        width: E.
        depth: blocks.
        heads: of every attention.
        mlp_ratio: hidden width over E.
        norm_memory: whether every block norms the other image's tokens (the original's `norm_im2_in_dec`).
        class_token: whether there is one, from which pairs are judged; stage one has none.
        image_size: side in pixels of the square images that the position tables are made for.
        pair_hidden: hidden width of the head that judges pairs.
    """

    width: int = 768
    depth: int = 12
    heads: int = 12
    mlp_ratio: float = 4.0
    norm_memory: bool = True
    class_token: bool = True
    image_size: int = 322
    pair_hidden: int = 512

    def __post_init__(self) -> None:
        if self.width % 4:
            raise ConfigError(f"the decoder's width must be a multiple of 4 for its position tables, got {self.width}")

    @property
    def block(self) -> ViTConfig:
        """Sizes of attention and MLP under the names that a ViT's parts read."""
        return ViTConfig(self.width, self.depth, self.heads, mlp_ratio=self.mlp_ratio)


class KeysValues(NamedTuple):
    """What a block reads of another image: keys and values (B, heads, N, E / heads)."""

    key: Tensor
    value: Tensor


class CrossAttention(nn.Module):
    """Multi-head attention of one sequence to another, each of its projections a layer of its own."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.heads = config.num_heads
        self.projq, self.projk, self.projv, self.proj = (
            nn.Linear(config.embed_dim, config.embed_dim, bias=bias)
            for bias in (config.qkv_bias, config.qkv_bias, config.qkv_bias, True)
        )

    def memory(self, tokens: Tensor) -> KeysValues:
        """Keys and values of the tokens (B, N, E) that are looked at."""
        return KeysValues(self._heads(self.projk(tokens)), self._heads(self.projv(tokens)))

    def forward(self, tokens: Tensor, memory: KeysValues) -> Tensor:
        """(B, t, E) that look at a memory of B images; a batch of 1 on either side stands for all of the other."""
        mixed = attend(self._heads(self.projq(tokens)), *memory)
        result: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return result

    def _heads(self, tokens: Tensor) -> Tensor:
        """(B, t, E) -> (B, heads, t, E / heads)."""
        return tokens.reshape(*tokens.shape[:2], self.heads, -1).transpose(1, 2)


class DecoderBlock(nn.Module):
    """X <- X + SelfAttn(LN1(X));  X <- X + CrossAttn(LN2(X), LNy(Y));  X <- X + MLP(LN3(X)).

    No LayerScale, no dropout; Y, the other image, is only read.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        sizes = config.block
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(sizes.embed_dim, eps=sizes.layernorm_eps) for _ in range(3))
        self.norm_y = nn.LayerNorm(sizes.embed_dim, eps=sizes.layernorm_eps) if config.norm_memory else nn.Identity()
        self.attn = Attention(sizes)
        self.cross_attn = CrossAttention(sizes)
        self.mlp = Mlp(sizes)

    def memory(self, tokens: Tensor) -> KeysValues:
        """What this block reads of the other image's tokens (B, N, E)."""
        found: KeysValues = self.cross_attn.memory(self.norm_y(tokens))
        return found

    def forward(self, tokens: Tensor, memory: KeysValues) -> Tensor:
        """(B, t, E), after looking at themselves and at the other image."""
        return self.read(self.look(tokens), memory)

    def look(self, tokens: Tensor, rows: int | None = None) -> Tensor:
        """The self-attention's step, of the first `rows` tokens where no others are needed any more."""
        normed = self.norm1(tokens)
        looked: Tensor = self.attn(normed) if rows is None else self.attn.first(normed, rows)
        return tokens[:, :rows] + looked

    def read(self, tokens: Tensor, memory: KeysValues) -> Tensor:
        """The cross-attention's and the MLP's steps, for any of the tokens."""
        tokens = tokens + self.cross_attn(self.norm2(tokens), memory)
        result: Tensor = tokens + self.mlp(self.norm3(tokens))
        return result
