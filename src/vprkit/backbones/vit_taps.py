"""Reading queries, keys, values, attention and tokens out of single blocks of a ViT while it runs."""

import enum
from collections.abc import Callable, Sequence
from typing import cast

from torch import Tensor, nn

from vprkit.backbones.vit_blocks import Attention, Block
from vprkit.errors import ConfigError


class Facet(enum.Enum):
    """What can be read out of a block; shapes for t tokens, class token and registers included.

    QUERY, KEY, VALUE: (B, heads, t, D / heads), unscaled, of the block's first LayerNorm.
    CLASS_ATTENTION: (B, heads, t), scaled logits of the class token's row before the softmax.
    TOKEN: (B, t, D), the block's output.
    """

    QUERY = "query"
    KEY = "key"
    VALUE = "value"
    CLASS_ATTENTION = "class_attention"
    TOKEN = "token"


_ATTENTION_FACETS: dict[Facet, Callable[[Attention, Tensor], Tensor]] = {
    Facet.QUERY: Attention.query,
    Facet.KEY: Attention.key,
    Facet.VALUE: Attention.value,
    Facet.CLASS_ATTENTION: Attention.class_logits,
}


class Taps:
    """What was read out of single blocks during the last forward pass.

    Args:
        wanted: (block, facet) pairs.

    Attributes:
        grid: (h, w) patches of the images that the ViT saw, which a network around it may have resized.
    """

    grid: tuple[int, int] = (0, 0)

    def __init__(self, wanted: Sequence[tuple[int, Facet]]) -> None:
        self.wanted = tuple(dict.fromkeys(wanted))
        self._order = [self.wanted.index(pair) for pair in wanted]
        self._found: dict[tuple[int, Facet], Tensor] = {}

    def see(self, grid: tuple[int, int]) -> None:
        """Note the grid of what is coming in."""
        self.grid = grid

    def hook(self, number: int) -> Callable[..., None]:
        """What a block calls after it has run."""

        def keep(block: nn.Module, inputs: tuple[Tensor, ...], after: Tensor) -> None:
            for place, facet in self.wanted:
                if place == number:
                    self._found[place, facet] = _facet(cast(Block, block), facet, inputs[0], after)

        return keep

    def tensors(self) -> tuple[Tensor, ...]:
        """One tensor per pair, in the order asked for; `Facet` says their shapes.

        Raises:
            ConfigError: a block did not run.
        """
        missing = [number for number, facet in self.wanted if (number, facet) not in self._found]
        if missing:
            raise ConfigError(f"the network around this ViT does not run block {missing[0]}; ask for an earlier one")
        return tuple(self._found[self.wanted[place]] for place in self._order)


def _facet(block: Block, facet: Facet, before: Tensor, after: Tensor) -> Tensor:
    return after if facet is Facet.TOKEN else _ATTENTION_FACETS[facet](block.attn, block.norm1(before))
