"""Attention between two sequences, by whichever exact kernel is the fastest where it runs."""

import torch
from torch import Tensor
from torch.nn import functional as F

TILE_BYTES = 2**22
"""Attention weights at once on a CPU, so that they stay in its cache, and in memory that is not asked for anew."""


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
    """`plain` for a few heads of an image at once, or several small images; shapes as of `attend`."""
    batch, heads, tokens, width = query.shape
    weights = max(1, tokens * key.shape[2] * query.element_size())
    some_heads, images = min(heads, max(1, TILE_BYTES // weights)), max(1, TILE_BYTES // (weights * heads))
    # Laid out as the projection that follows reads it: (B, t, heads, d).
    mixed = query.new_empty(batch, tokens, heads, width).transpose(1, 2)
    for image in range(0, batch, images):
        for head in range(0, heads, some_heads):
            part = slice(image, image + images), slice(head, head + some_heads)
            mixed[part] = plain(query[part], key[part], value[part])
    return mixed


def plain(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The same as two products with the weights between them in memory; shapes as of `attend`, one batch for all."""
    logits = query * query.shape[-1] ** -0.5 @ key.transpose(-2, -1)
    mixed: Tensor = logits.softmax(-1) @ value
    return mixed
