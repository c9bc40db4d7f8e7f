"""LaVPR's re-weighting poolers: which tokens of a text count (arXiv 2602.03253)."""

from typing import Literal

import torch
from torch import Tensor, nn

_NEVER = -1e4  # as published: not -inf, so a text of one token attends to all positions alike
_DROPOUT = 0.1

Beside = Literal["cls", "mean"]
"""What the attended tokens are joined with: the first token, or the mean of all."""


class ReweightingPooler(nn.Module):
    """Tokens to one vector: an attention over all but the first, joined with the first or with the mean of all.

    Args:
        width: of a token and of the vector.
        beside: what the attended tokens are joined with.
    """

    def __init__(self, width: int, beside: Beside) -> None:
        super().__init__()
        self.beside = beside
        self.attention = nn.Linear(width, 1)
        self.mix = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(_DROPOUT)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T, width) tokens, (B, T) mask, 0 at padding -> (B, width), not normalised."""
        attended = (self.weights(tokens, mask)[..., None] * tokens).sum(1)
        other = tokens[:, 0] if self.beside == "cls" else _mean(tokens, mask)
        mixed: Tensor = self.mix(self.dropout(torch.cat([other, attended], 1)))
        return torch.tanh(mixed)

    def weights(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T) share of every token; the first has none unless it is the only one."""
        scores = self.attention(tokens)[..., 0].float()
        first = torch.arange(scores.shape[1], device=scores.device) == 0
        scores = scores.masked_fill(first, _NEVER)
        if mask is not None:
            scores = scores.masked_fill(mask == 0, _NEVER)
        return torch.softmax(scores, 1).to(tokens)


def _mean(tokens: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return tokens.mean(1)
    kept = mask[..., None].to(tokens)
    return (tokens * kept).sum(1) / kept.sum(1).clamp(min=1e-9)
