"""Pair-VPR as a network: a DINOv2 that describes an image, and a decoder that judges pairs of images.

Hausler and Moghadam, "Pair-VPR: Place-Aware Pre-training and Contrastive Pair Classification for Visual Place
Recognition with Vision Transformers", IEEE RA-L 2025, arXiv 2410.06614.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vprkit.backbones.dinov2 import dinov2_config
from vprkit.backbones.dinov2_sizes import PATCH, TABLE_SIZE, Size
from vprkit.backbones.vit import ViT, ViTConfig
from vprkit.config import option
from vprkit.errors import ConfigError
from vprkit.features import Features, LocalFeatures
from vprkit.methods.pairvpr.decoder import DecoderBlock, DecoderConfig, KeysValues
from vprkit.methods.pairvpr.positions import analytic_table, resized_table, with_class_row

Grid = tuple[int, int]


@dataclass(frozen=True)
class PairVPRConfig:
    """Options of `pairvpr`; defaults are the released ViT-B."""

    size: Size = option("B", "DINOv2's size: S, B, L or g; released models are B, L and g")
    registers: int = option(4, "register tokens of the DINOv2; 4 in released models, 0 for a DINOv2 without")
    descriptor: int = option(512, "numbers of the global vector")
    class_token: bool = option(True, "the decoder's class token, which pairs are judged by; stage one has none")
    trainable_blocks: int | None = option(
        6, "last blocks of the DINOv2 that learn, with its final LayerNorm; none: gradients flow everywhere"
    )
    image_size: int = option(322, "side in pixels that the decoder's position tables are made for; 224 in stage one")
    decoder_width: int = option(768, "width of the decoder, and of local features")
    decoder_depth: int = option(12, "blocks of the decoder")
    decoder_heads: int = option(12, "heads of the decoder's attention")
    decoder_mlp_ratio: float = option(4.0, "hidden width of the decoder's MLP over its width")
    norm_memory: bool = option(True, "a LayerNorm for the second image in every decoder block (norm_im2_in_dec)")
    pair_hidden: int = option(512, "hidden width of the head that judges pairs")
    depth: int | None = option(None, "blocks of the DINOv2; none: as many as the size has")
    table_size: int = option(TABLE_SIZE, "side in pixels that the DINOv2's position table was made for")
    interpolate_offset: float | None = option(
        None, "how its positions are resized; none: as released, to a size with registers, by factors + 0.1 without"
    )

    def __post_init__(self) -> None:
        if self.image_size < PATCH or self.image_size % PATCH:
            raise ConfigError(f"image_size must be a positive multiple of {PATCH}, got {self.image_size}")
        if self.trainable_blocks is not None and self.trainable_blocks < 0:
            raise ConfigError(f"trainable_blocks counts blocks from the end, got {self.trainable_blocks}")

    def encoder(self) -> ViTConfig:
        """The DINOv2, with the position setting of the released one unless another is asked for."""
        released = dinov2_config(self.size, registers=self.registers, depth=self.depth, table_size=self.table_size)
        if self.interpolate_offset is None:
            return released
        return dataclasses.replace(released, interpolate_offset=self.interpolate_offset)

    def decoder(self) -> DecoderConfig:
        """The decoder."""
        return DecoderConfig(
            width=self.decoder_width, depth=self.decoder_depth, heads=self.decoder_heads,
            mlp_ratio=self.decoder_mlp_ratio, norm_memory=self.norm_memory, class_token=self.class_token,
            image_size=self.image_size, pair_hidden=self.pair_hidden,
        )  # fmt: skip


class PairVPR(nn.Module):
    """Images (B, 3, H, W), sides multiples of the patch, to global unit vectors and to tokens that pairs are judged by.

    Local features are the patch tokens after `decoder_embed`: all that the decoder reads of an image, and for the
    larger encoders fewer numbers than the encoder gives.

    Args:
        encoder: the transformer.
        decoder: reads two images.
        descriptor: numbers of the global vector.
        train_last: last blocks of the encoder that learn, as of `ViT`.
    """

    mask_token: nn.Parameter
    decoder_clstoken: nn.Parameter | None
    dec_pos_embed: Tensor
    dec_pos_embed_cls: Tensor | None

    def __init__(
        self,
        encoder: ViTConfig,
        decoder: DecoderConfig | None = None,
        descriptor: int = 512,
        train_last: int | None = None,
    ) -> None:
        super().__init__()
        self.config = decoder or DecoderConfig()
        width, patch = self.config.width, encoder.patch_size
        self.encoder = ViT(encoder, train_last=train_last)
        self.globalizer = nn.Sequential(nn.Linear(encoder.embed_dim, descriptor))
        self.decoder_embed = nn.Linear(encoder.embed_dim, width)
        self.dec_blocks = nn.ModuleList(DecoderBlock(self.config) for _ in range(self.config.depth))
        self.dec_norm = nn.LayerNorm(width, eps=self.config.block.layernorm_eps)
        self.prediction_head = nn.Linear(width, 3 * patch * patch)
        hidden = self.config.pair_hidden
        self.classvprmodule = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        self.mask_token = nn.Parameter(torch.empty(1, 1, width))  # in every released file, used by nothing
        self.decoder_clstoken = nn.Parameter(torch.empty(1, 1, width)) if self.config.class_token else None
        table = analytic_table(self.config.image_size // patch, width)
        self.register_buffer("dec_pos_embed", table)
        self.register_buffer("dec_pos_embed_cls", with_class_row(table) if self.config.class_token else None)
        self._initialise()

    @property
    def trunk(self) -> ViT:
        return self.encoder

    def forward(self, images: Tensor) -> Features:
        dense, class_token = self.encode(images)
        counts = torch.full((len(dense),), dense.shape[1], device=dense.device)
        local = LocalFeatures(self.decoder_embed(dense), counts, self.encoder.grid(images))
        return Features(self.descriptor(class_token), local)

    def describe_global(self, images: Tensor) -> Tensor:
        """(B, d) global vectors alone: what mining and the first stage need."""
        return self.descriptor(self.encode(images)[1])

    def encode(self, images: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Dense features (B, N, D) and class token (B, D) after the final LayerNorm.

        Args:
            images: (B, 3, H, W).
            mask: (B, N) bool; True patches are replaced by the encoder's mask token before positions are added.
        """
        tokens = self.encoder.features(images, mask).normed
        return tokens.patch_tokens, tokens.class_token

    def descriptor(self, class_token: Tensor) -> Tensor:
        """(B, D) -> (B, d) unit vectors."""
        # In float32 whatever the precision: a norm rounded to bf16 is off by up to 0.4 %.
        return F.normalize(self.globalizer(class_token).float(), dim=-1)

    def reconstruct(self, dense1: Tensor, dense2: Tensor, grid: Grid | None = None) -> Tensor:
        """Stage one's decoder, without class token: the first image's patches as seen through the second image.

        Args:
            dense1, dense2: (B, N, D) dense features; the first one's come from a masked image.
            grid: (h, w) of both; default a square.

        Returns:
            (B, N, 3 * patch * patch) predicted patches; a patch is ordered by row, column, channel.
        """
        tokens, other = self.decoder_embed(dense1), self.decoder_embed(dense2)
        tokens = tokens + self.positions(tokens, grid)
        for block, known in zip(self._blocks, self.memory(other, grid), strict=True):
            tokens = block(tokens, known)
        patches: Tensor = self.prediction_head(self.dec_norm(tokens))
        return patches

    def pair_logit(self, dense1: Tensor, dense2: Tensor, grid: Grid | None = None) -> Tensor:
        """s(1, 2): how surely two images show one place, before a sigmoid; s(2, 1) is another number.

        Args:
            dense1: (B, N, D) dense features of the image beside the class token.
            dense2: (B, N, D) of the image that is looked at.
            grid: (h, w) of both; default a square.

        Returns:
            (B, 1), higher is more alike.

        Raises:
            ConfigError: a network of stage one, which has no class token to judge by.
        """
        started = self.start(self.decoder_embed(dense1), grid)
        return self.judge(started, self.memory(self.decoder_embed(dense2), grid))

    def start(self, embedded: Tensor, grid: Grid | None = None) -> Tensor:
        """(B, N, E) after `decoder_embed` -> (B, 1 + N, E): the class token's side, after its first self-attention.

        So far nothing depends on the other image.
        """
        if self.decoder_clstoken is None:
            raise ConfigError(
                "a network of Pair-VPR's first stage has no decoder class token, so it cannot judge pairs; "
                "train the second stage from it"
            )
        tokens = torch.cat([self.decoder_clstoken.expand(len(embedded), -1, -1), embedded], 1)
        return self._blocks[0].look(tokens + self.class_positions(embedded, grid))

    def memory(self, embedded: Tensor, grid: Grid | None = None) -> list[KeysValues]:
        """(B, N, E) after `decoder_embed` -> what every decoder block reads of these images."""
        tokens = embedded + self.positions(embedded, grid)
        return [block.memory(tokens) for block in self._blocks]

    def judge(self, started: Tensor, memory: Sequence[KeysValues]) -> Tensor:
        """The logit of pairs, exactly as from whole sequences: the last block computes the class token's row alone.

        Args:
            started: (B, 1 + N, E) of `start`.
            memory: of `memory`; a batch of 1 on either side is compared with all of the other.

        Returns:
            (B, 1).
        """
        tokens, last = started, len(self._blocks) - 1
        for number, (block, known) in enumerate(zip(self._blocks, memory, strict=True)):
            rows = 1 if number == last else None
            tokens = block.look(tokens, rows) if number else tokens[:, :rows]
            tokens = block.read(tokens, known)
        logits: Tensor = self.classvprmodule(self.dec_norm(tokens[:, 0]))
        return logits

    def positions(self, embedded: Tensor, grid: Grid | None = None) -> Tensor:
        """(N, E) positions of the patches: the stored table, resized for images of another size."""
        grid = grid or _square(embedded.shape[1])
        if grid[0] * grid[1] != embedded.shape[1]:
            raise ConfigError(f"{embedded.shape[1]} tokens are no grid of {grid[0]} x {grid[1]}")
        return resized_table(self.dec_pos_embed, grid)

    def class_positions(self, embedded: Tensor, grid: Grid | None = None) -> Tensor:
        """(1 + N, E) the same beside the class token."""
        stored, table = self.dec_pos_embed_cls, self.positions(embedded, grid)
        return stored if stored is not None and table is self.dec_pos_embed else with_class_row(table)

    @property
    def _blocks(self) -> Sequence[DecoderBlock]:
        return cast(Sequence[DecoderBlock], self.dec_blocks)

    def _initialise(self) -> None:
        """Initial values of training; the encoder keeps its own until it is replaced by a pre-trained one."""
        for part in (self.globalizer, self.decoder_embed, self.dec_blocks, self.prediction_head, self.classvprmodule):
            part.apply(initialise)
        nn.init.normal_(self.mask_token, std=0.02)
        if self.decoder_clstoken is not None:
            nn.init.normal_(self.decoder_clstoken, std=1e-6)


def initialise(module: nn.Module) -> None:
    """Linear layers Xavier-uniform with bias 0, LayerNorms 1 and 0; anything else is left alone."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.LayerNorm):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)


def build(config: PairVPRConfig) -> PairVPR:
    """The network, with initial values of training from scratch."""
    return PairVPR(config.encoder(), config.decoder(), config.descriptor, config.trainable_blocks)


def _square(tokens: int) -> Grid:
    side = int(tokens**0.5 + 0.5)
    if side * side != tokens:
        raise ConfigError(f"{tokens} tokens are no square of patches; say which grid (h, w) they are")
    return side, side
