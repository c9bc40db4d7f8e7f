"""The parts of a DINOv2 block, with the parameter names of the released files."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vprkit.backbones.attention import attend
from vprkit.errors import ConfigError

FeedForward = Literal["mlp", "swiglu"]


@dataclass(frozen=True)
class ViTConfig:
    """Sizes and settings of a DINOv2 vision transformer, under DINOv2's own names.

    Attributes:
        embed_dim: width D.
        depth: number of blocks.
        num_heads: attention heads; D / 64 in every released model.
        img_size: side in pixels that the position table was made for (518 in released files).
        patch_size: side of a patch.
        ffn: `mlp` (GELU), or `swiglu` as in the giant model.
        mlp_ratio: hidden width over D (SwiGLU takes two thirds of it, rounded up to a multiple of 8).
        num_register_tokens: registers between class token and patches.
        interpolate_offset: see `resize_position_table`; 0.1 without registers, 0 with them in released models.
        interpolate_antialias: off without registers, on with them in released models.
        init_values: initial LayerScale; None leaves LayerScale out.
        layernorm_eps: of every LayerNorm.
        qkv_bias: whether the joint projection has a bias.
        mask_token: whether there is one (MegaLoc's files have none).
        final_norm: whether the last LayerNorm exists (systems that read the last block need none).
    """

    embed_dim: int
    depth: int
    num_heads: int
    img_size: int = 518
    patch_size: int = 14
    ffn: FeedForward = "mlp"
    mlp_ratio: float = 4.0
    num_register_tokens: int = 0
    interpolate_offset: float = 0.1
    interpolate_antialias: bool = False
    init_values: float | None = 1.0
    layernorm_eps: float = 1e-6
    qkv_bias: bool = True
    mask_token: bool = True
    final_norm: bool = True

    def __post_init__(self) -> None:
        if self.embed_dim % self.num_heads:
            raise ConfigError(f"embed_dim {self.embed_dim} is not divisible by {self.num_heads} heads")
        if self.img_size % self.patch_size:
            raise ConfigError(f"img_size {self.img_size} is no multiple of the patch size {self.patch_size}")
        if self.depth < 1 or self.num_register_tokens < 0:
            raise ConfigError(f"a ViT needs blocks: depth {self.depth}, {self.num_register_tokens} registers")


@dataclass(frozen=True)
class BlockAdapters:
    """Modules put into one block, stored there as `adapter1` and `adapter2` (SelaVPR specification 2.1).

    Attributes:
        serial: (B, t, D) -> (B, t, D), applied to the attention output before LayerScale.
        parallel: (B, t, D) -> (B, t, D), reads the normed tokens that the MLP reads; its result is added to the MLP's
            before LayerScale.
        parallel_scale: factor of the parallel result.
    """

    serial: nn.Module | None = None
    parallel: nn.Module | None = None
    parallel_scale: float = 1.0


class PatchEmbed(nn.Module):
    """Cuts (B, 3, H, W) images into patches: (B, N, D), row-major."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, config.embed_dim, kernel_size=config.patch_size, stride=config.patch_size)

    def forward(self, images: Tensor) -> Tensor:
        patches: Tensor = self.proj(images)
        return patches.flatten(2).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head self-attention with one joint projection, rows ordered query, key, value."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.heads = config.num_heads
        self.qkv = nn.Linear(config.embed_dim, 3 * config.embed_dim, bias=config.qkv_bias)
        self.proj = nn.Linear(config.embed_dim, config.embed_dim)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, count, width = tokens.shape
        query, key, value = self.qkv(tokens).reshape(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = attend(query, key, value)
        result: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, count, width))
        return result

    def first(self, tokens: Tensor, rows: int) -> Tensor:
        """What the first `rows` tokens get: (B, rows, D); the others are looked at, and not computed."""
        mixed = attend(self.query(tokens[:, :rows]), self.key(tokens), self.value(tokens))
        result: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return result

    def query(self, tokens: Tensor) -> Tensor:
        """Unscaled queries (B, heads, t, D / heads) of normed tokens (B, t, D)."""
        return self._third(tokens, 0)

    def key(self, tokens: Tensor) -> Tensor:
        """Keys, shaped like `query`."""
        return self._third(tokens, 1)

    def value(self, tokens: Tensor) -> Tensor:
        """Values, shaped like `query`."""
        return self._third(tokens, 2)

    def class_logits(self, tokens: Tensor) -> Tensor:
        """How the class token attends: scaled logits (B, heads, t) before the softmax; no other row is computed."""
        query = self.query(tokens[:, :1])
        scale = float(query.shape[-1] ** -0.5)
        return (query * scale @ self.key(tokens).transpose(-2, -1)).squeeze(2)

    def _third(self, tokens: Tensor, part: int) -> Tensor:
        width = self.qkv.in_features
        rows = slice(part * width, (part + 1) * width)
        bias = None if self.qkv.bias is None else self.qkv.bias[rows]
        projected = F.linear(tokens, self.qkv.weight[rows], bias)
        return projected.reshape(*tokens.shape[:2], self.heads, -1).transpose(1, 2)


class Mlp(nn.Module):
    """Linear, exact GELU, linear."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        hidden = int(config.embed_dim * config.mlp_ratio)
        self.fc1 = nn.Linear(config.embed_dim, hidden)
        self.fc2 = nn.Linear(hidden, config.embed_dim)

    def forward(self, tokens: Tensor) -> Tensor:
        result: Tensor = self.fc2(F.gelu(self.fc1(tokens)))
        return result


class SwiGlu(nn.Module):
    """Gated feed-forward of the giant model: `w3(silu(a) * b)` with a, b the halves of `w12`."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        hidden = (int(int(config.embed_dim * config.mlp_ratio) * 2 / 3) + 7) // 8 * 8
        self.w12 = nn.Linear(config.embed_dim, 2 * hidden)
        self.w3 = nn.Linear(hidden, config.embed_dim)

    def forward(self, tokens: Tensor) -> Tensor:
        gate, value = self.w12(tokens).chunk(2, dim=-1)
        result: Tensor = self.w3(F.silu(gate) * value)
        return result


_FEED_FORWARD: dict[FeedForward, Callable[[ViTConfig], nn.Module]] = {"mlp": Mlp, "swiglu": SwiGlu}


class LayerScale(nn.Module):
    """One learned factor per channel."""

    def __init__(self, width: int, initial: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), initial))

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens * self.gamma


class Block(nn.Module):
    """Pre-norm transformer block; adapters, where given, sit as SelaVPR places them.

    x <- x + g1 * A1(Attn(LN1(x)));   x <- x + g2 * (MLP(LN2(x)) + s * A2(LN2(x)))
    """

    def __init__(self, config: ViTConfig, adapters: BlockAdapters | None = None) -> None:
        super().__init__()
        chosen = adapters or BlockAdapters()
        self.norm1 = nn.LayerNorm(config.embed_dim, eps=config.layernorm_eps)
        self.attn = Attention(config)
        self.ls1 = _layer_scale(config)
        self.norm2 = nn.LayerNorm(config.embed_dim, eps=config.layernorm_eps)
        self.mlp = _FEED_FORWARD[config.ffn](config)
        self.ls2 = _layer_scale(config)
        self.adapter1 = chosen.serial
        self.adapter2 = chosen.parallel
        self.parallel_scale = chosen.parallel_scale

    def forward(self, tokens: Tensor) -> Tensor:
        attended = self.attn(self.norm1(tokens))
        if self.adapter1 is not None:
            attended = self.adapter1(attended)
        tokens = tokens + self.ls1(attended)
        normed = self.norm2(tokens)
        transformed = self.mlp(normed)
        if self.adapter2 is not None:
            transformed = transformed + self.parallel_scale * self.adapter2(normed)
        result: Tensor = tokens + self.ls2(transformed)
        return result


def _layer_scale(config: ViTConfig) -> nn.Module:
    return nn.Identity() if config.init_values is None else LayerScale(config.embed_dim, config.init_values)
