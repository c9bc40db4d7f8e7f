"""CLIP's text tower with OpenAI's parameter names, from word vectors: prompts may hold vectors that are no words."""

import torch
from torch import Tensor, nn

from vprkit.backbones.clip_blocks import EPSILON, Transformer
from vprkit.errors import VprError

CONTEXT = 77
"""Positions."""

VOCABULARY = 49408
END = VOCABULARY - 1
"""Id of the end-of-text token, the greatest one."""


class ClipText(nn.Module):
    """(B, L, width) word vectors to (B, dim) text features, not normalised.

    Args:
        width: of a word vector.
        layers: blocks.
        heads: of every attention; 64 wide in released files.
        dim: of the space that images and texts share.
        context: positions.
    """

    def __init__(self, width: int, layers: int, heads: int, dim: int, context: int = CONTEXT) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(0.01 * torch.randn(context, width))
        self.text_projection = nn.Parameter(torch.randn(width, dim) / width**0.5)
        self.transformer = Transformer(width, layers, heads, causal=True)
        self.ln_final = nn.LayerNorm(width, eps=EPSILON)

    @property
    def width(self) -> int:
        """Of a word vector."""
        return self.positional_embedding.shape[1]

    def forward(self, words: Tensor, ends: Tensor | None = None) -> Tensor:
        """The features at the end of each text.

        Attention is causal, so whatever follows the end changes nothing: leave it out and save its cost.

        Args:
            words: (B, L, width) vectors of the first L positions.
            ends: (B,) position of each text's end; None: the last one given.

        Raises:
            VprError: there are more words than positions.
        """
        length = words.shape[1]
        if length > len(self.positional_embedding):
            raise VprError(
                f"a text of {length} tokens is longer than CLIP's {len(self.positional_embedding)} positions"
            )
        tokens = self.transformer(words + self.positional_embedding[:length].to(words))
        last = tokens[:, -1] if ends is None else tokens[torch.arange(len(tokens), device=tokens.device), ends]
        out: Tensor = self.ln_final(last) @ self.text_projection
        return out


def encode_ids(tower: ClipText, table: nn.Embedding, ids: Tensor) -> Tensor:
    """Text features of id lists.

    Args:
        tower: the text tower.
        table: word vectors.
        ids: (B, L) token ids; a text ends at the first greatest id, as CLIP finds its end.

    Returns:
        (B, dim).
    """
    ends = ids.argmax(1)
    words: Tensor = table(ids[:, : int(ends.max()) + 1])
    return tower(words, ends)  # type: ignore[no-any-return]
