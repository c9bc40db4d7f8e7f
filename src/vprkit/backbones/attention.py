"""Attention between two sequences, by whichever exact kernel is the fastest where it runs."""

import torch
from torch import Tensor
from torch.nn import functional as F

TILE_BYTES = 2**24
"""Attention weights at once on a CPU, so that they stay in its cache: one pair of images of 529 patches in float32."""


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)) v; the batch of one side may be 1 and stands for as many as the other has.

    CPUs get plain products tile by tile where no gradient is asked for, which `benchmarks/pairs.py` measured to be
    faster than torch's fused kernel, in half precision twice as fast; anything else gets the fused kernel.

    Args:
        query: (B, heads, t, d).
        key, value: (B, heads, s, d).

    Returns:
        (B, heads, t, d).
    """
    batch = max(len(query), len(key))
    query, key, value = (part.expand(batch, -1, -1, -1) for part in (query, key, value))
    if query.device.type == "cpu" and not torch.is_grad_enabled():
        return tiled(query, key, value)
    return F.scaled_dot_product_attention(query, key, value)


def tiled(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """`plain` for a few of the batch at once, so that memory does not grow with it; shapes as of `attend`."""
    weights = query.shape[1] * query.shape[2] * key.shape[2] * query.element_size()
    rows = max(1, TILE_BYTES // max(1, weights))
    if rows >= len(query):
        return plain(query, key, value)
    parts = zip(*(torch.split(part, rows) for part in (query, key, value)), strict=True)
    return torch.cat([plain(*part) for part in parts])


def plain(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The same as two products with the weights between them in memory; shapes as of `attend`, one batch for all."""
    logits = query * query.shape[-1] ** -0.5 @ key.transpose(-2, -1)
    mixed: Tensor = logits.softmax(-1) @ value
    return mixed
