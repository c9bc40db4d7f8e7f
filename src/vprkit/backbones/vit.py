"""The DINOv2 vision transformer (arXiv 2304.07193, registers 2309.16588), with the released files' parameter names."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from vprkit.backbones.position_table import resize_position_table
from vprkit.backbones.vit_blocks import Block, BlockAdapters, PatchEmbed, ViTConfig
from vprkit.backbones.vit_names import unchunked
from vprkit.backbones.vit_taps import Facet, Taps
from vprkit.errors import ConfigError

__all__ = ["BlockAdapters", "Facet", "Tokens", "ViT", "ViTConfig", "ViTFeatures", "unchunked"]


@dataclass(frozen=True)
class Tokens:
    """A token sequence that knows its parts.

    Attributes:
        sequence: (B, 1 + R + N, D): class token, R registers, N patches row by row.
        registers: R.
        grid: (h, w), N = h * w.
    """

    sequence: Tensor
    registers: int
    grid: tuple[int, int]

    @property
    def class_token(self) -> Tensor:
        """(B, D)."""
        return self.sequence[:, 0]

    @property
    def register_tokens(self) -> Tensor:
        """(B, R, D), empty without registers."""
        return self.sequence[:, 1 : 1 + self.registers]

    @property
    def patch_tokens(self) -> Tensor:
        """(B, N, D), row-major."""
        return self.sequence[:, 1 + self.registers :]

    @property
    def patch_map(self) -> Tensor:
        """(B, D, h, w), contiguous."""
        patches = self.patch_tokens
        return patches.transpose(1, 2).reshape(patches.shape[0], patches.shape[2], *self.grid).contiguous()


@dataclass(frozen=True)
class ViTFeatures:
    """What a forward pass gives: the last block's tokens, the same after the final LayerNorm, the mask it was given."""

    prenorm: Tokens
    normed: Tokens
    mask: Tensor | None = None


class ViT(nn.Module):
    """DINOv2 vision transformer, S to g, with or without registers.

    Args:
        config: sizes and settings.
        adapters: makes the adapters of block i, for systems that put their own modules into the blocks.
        train_last: blocks at the end that train; all before them runs without gradients, which detaches their tokens.
            0 freezes every block (the final LayerNorm still trains), None lets gradients flow everywhere.

    Images are (B, 3, H, W) with H and W multiples of the patch size, of any aspect. No dropout, no stochastic depth:
    training mode equals evaluation mode.
    """

    def __init__(
        self,
        config: ViTConfig,
        *,
        adapters: Callable[[int], BlockAdapters] | None = None,
        train_last: int | None = None,
    ) -> None:
        super().__init__()
        if train_last is not None and train_last < 0:
            raise ConfigError(f"train_last counts blocks from the end, got {train_last}")
        self.config = config
        self.train_last = train_last
        width, cells = config.embed_dim, (config.img_size // config.patch_size) ** 2
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + cells, width))
        if config.num_register_tokens:
            self.register_tokens = nn.Parameter(torch.empty(1, config.num_register_tokens, width))
        self.mask_token = nn.Parameter(torch.empty(1, width)) if config.mask_token else None
        self.patch_embed = PatchEmbed(config)
        self.blocks = nn.ModuleList(Block(config, adapters(i) if adapters else None) for i in range(config.depth))
        self.norm = nn.LayerNorm(width, eps=config.layernorm_eps) if config.final_norm else nn.Identity()
        self._initialise()

    def forward(self, images: Tensor) -> Tensor:
        """The class token after the final LayerNorm: (B, 3, H, W) -> (B, D)."""
        result: Tensor = self.norm(self._last(images)[:, 0])
        return result

    def features(self, images: Tensor, mask: Tensor | None = None) -> ViTFeatures:
        """Every token of the last block, before and after the final LayerNorm.

        Args:
            images: (B, 3, H, W).
            mask: (B, N) bool; True patches are replaced by the mask token before positions are added.

        Raises:
            ConfigError: the sizes are no multiple of the patch size, or the mask has another shape.
        """
        tokens = self._last(images, mask)
        grid = self.grid(images)
        return ViTFeatures(self._tokens(tokens, grid), self._tokens(self.norm(tokens), grid), mask)

    def intermediate(self, images: Tensor, layers: int | Sequence[int] = 1, *, norm: bool = True) -> tuple[Tokens, ...]:
        """Tokens after several blocks, in block order.

        Args:
            images: (B, 3, H, W).
            layers: the last n blocks, or a list of 0-based block numbers.
            norm: apply the final LayerNorm to each.

        Raises:
            ConfigError: a block asked for does not exist, or is asked for twice.
        """
        wanted = self._wanted(layers)
        grid, last = self.grid(images), max(wanted)
        taken = []
        for number, _, tokens in self._steps(images):
            if number in wanted:
                taken.append(self._tokens(self.norm(tokens) if norm else tokens, grid))
            if number == last:
                break  # the blocks above are not needed
        return tuple(taken)

    def facets(self, images: Tensor, wanted: Sequence[tuple[int, Facet]]) -> tuple[ViTFeatures, tuple[Tensor, ...]]:
        """The features together with facets of single blocks, from one pass.

        Args:
            images: (B, 3, H, W).
            wanted: (block, facet) pairs; blocks are 0-based, negative numbers count from the last.

        Returns:
            The features, and one tensor per pair in the given order; `Facet` says their shapes.

        Raises:
            ConfigError: there is no such block.
        """
        with self.tapped(wanted) as found:
            features = self.features(images)
        return features, found.tensors()

    @contextmanager
    def tapped(self, wanted: Sequence[tuple[int, Facet]]) -> Iterator[Taps]:
        """Facets of whatever forward passes happen inside, also those that a network around this one makes.

        Raises:
            ConfigError: there is no such block.
        """
        depth = len(self.blocks)
        for number, _ in wanted:
            if not -depth <= number < depth:
                raise ConfigError(f"block {number} does not exist, the network has blocks 0 to {depth - 1}")
        found = Taps([(number % depth, facet) for number, facet in wanted])
        numbers = dict.fromkeys(number for number, _ in found.wanted)
        hooks = [self.blocks[number].register_forward_hook(found.hook(number)) for number in numbers]
        hooks.append(self.patch_embed.register_forward_pre_hook(lambda _, inputs: found.see(self.grid(inputs[0]))))
        try:
            yield found
        finally:
            for hook in hooks:
                hook.remove()

    def grid(self, images: Tensor) -> tuple[int, int]:
        """(h, w) in patches of images (B, 3, H, W).

        Raises:
            ConfigError: a side is no multiple of the patch size.
        """
        height, width, patch = images.shape[-2], images.shape[-1], self.config.patch_size
        if height % patch or width % patch or not height or not width:
            near = " x ".join(str(max(patch, round(side / patch) * patch)) for side in (height, width))
            raise ConfigError(
                f"images of {height} x {width} pixels do not divide into patches of {patch} x {patch}; "
                f"resize them to multiples of {patch}, for example {near}"
            )
        return height // patch, width // patch

    def embed(self, images: Tensor, mask: Tensor | None = None) -> Tensor:
        """The sequence that enters block 0: (B, 1 + R + N, D)."""
        grid = self.grid(images)
        patches: Tensor = self.patch_embed(images)
        if mask is not None:
            if self.mask_token is None:
                raise ConfigError("this ViT has no mask token, so it takes no mask")
            if mask.shape != patches.shape[:2] or mask.dtype != torch.bool:
                raise ConfigError(
                    f"the mask must be bool of shape {tuple(patches.shape[:2])}, got {mask.dtype} {tuple(mask.shape)}"
                )
            patches = torch.where(mask.unsqueeze(-1), self.mask_token.to(patches.dtype), patches)
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        table = resize_position_table(
            self.pos_embed, grid, offset=self.config.interpolate_offset, antialias=self.config.interpolate_antialias
        )
        tokens = tokens + table.to(tokens.dtype)
        if not self.config.num_register_tokens:
            return tokens
        registers = self.register_tokens.expand(len(tokens), -1, -1)
        return torch.cat([tokens[:, :1], registers, tokens[:, 1:]], dim=1)  # registers carry no position

    def _steps(self, images: Tensor, mask: Tensor | None = None) -> Iterator[tuple[int, Tensor, Tensor]]:
        """(number, tokens in, tokens out) of every block in order."""
        trained_from = 0 if self.train_last is None else max(0, len(self.blocks) - self.train_last)
        with _no_gradients(self.train_last is not None):
            tokens = self.embed(images, mask)
        for number, block in enumerate(self.blocks):
            before = tokens
            with _no_gradients(number < trained_from):
                tokens = block(before)
            yield number, before, tokens

    def _last(self, images: Tensor, mask: Tensor | None = None) -> Tensor:
        tokens = torch.empty(0)
        for _, _, tokens in self._steps(images, mask):  # noqa: B007
            pass
        return tokens

    def _tokens(self, sequence: Tensor, grid: tuple[int, int]) -> Tokens:
        return Tokens(sequence, self.config.num_register_tokens, grid)

    def _wanted(self, layers: int | Sequence[int]) -> set[int]:
        depth = len(self.blocks)
        if isinstance(layers, int):
            if not 1 <= layers <= depth:
                raise ConfigError(f"the last {layers} blocks were asked for, the network has {depth}")
            return set(range(depth - layers, depth))
        bad = [number for number in layers if not 0 <= number < depth]
        if bad or not layers or len(set(layers)) != len(layers):
            raise ConfigError(f"blocks {list(layers)} must be different numbers from 0 to {depth - 1}")
        return set(layers)

    def _initialise(self) -> None:
        """Initial values for training from scratch; adapters keep the ones they came with."""
        for block in self.blocks:
            for part in (cast(Block, block).attn, cast(Block, block).mlp):
                part.apply(_initialise_linear)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        nn.init.normal_(self.cls_token, std=1e-6)
        if self.config.num_register_tokens:
            nn.init.normal_(self.register_tokens, std=1e-6)
        if self.mask_token is not None:
            nn.init.zeros_(self.mask_token)


def _initialise_linear(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _no_gradients(active: bool) -> AbstractContextManager[object]:
    return torch.no_grad() if active else nullcontext()
