"""Attention between two sequences, by whichever exact kernel is the fastest where it runs."""

import torch
from torch import Tensor
from torch.nn import functional as F

HALVES = (torch.bfloat16, torch.float16)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)) v; the batch of one side may be 1 and stands for as many as the other has.

    Args:
        query: (B, heads, t, d).
        key, value: (B, heads, s, d).

    Returns:
        (B, heads, t, d).
    """
    batch = max(len(query), len(key))
    query, key, value = (part.expand(batch, -1, -1, -1) for part in (query, key, value))
    if query.device.type == "cpu" and query.dtype in HALVES and not torch.is_grad_enabled():
        return plain(query, key, value)  # torch's fused kernel for CPUs is slower in bf16; `benchmarks/pairs.py`
    return F.scaled_dot_product_attention(query, key, value)


def plain(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The same as two products with the weights between them in memory; shapes as of `attend`, one batch for all."""
    logits = query * query.shape[-1] ** -0.5 @ key.transpose(-2, -1)
    mixed: Tensor = logits.softmax(-1) @ value
    return mixed
