"""Entropic optimal transport in the log domain (Cuturi, NeurIPS 2013), a fixed number of steps."""

import torch
from torch import Tensor


def log_sinkhorn(scores: Tensor, log_rows: Tensor, log_columns: Tensor, steps: int) -> Tensor:
    """Scale rows and columns of `exp(scores)` towards given sums; gradients flow through every step.

    Args:
        scores: (B, r, c), already divided by the regularisation.
        log_rows: (r,) or (B, r) logarithms of the rows' sums.
        log_columns: (c,) or (B, c) of the columns' sums.
        steps: alternations, rows first: after the last one the columns' sums hold exactly.

    Returns:
        (B, r, c) logarithms of the transport plan, float32 or wider whatever the scores are.
    """
    scores = scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores
    rows = scores.new_zeros(scores.shape[0], scores.shape[1], 1)
    columns = scores.new_zeros(scores.shape[0], 1, scores.shape[2])
    for _ in range(steps):
        rows = log_rows.unsqueeze(-1) - torch.logsumexp(scores + columns, dim=2, keepdim=True)
        columns = log_columns.unsqueeze(-2) - torch.logsumexp(scores + rows, dim=1, keepdim=True)
    return scores + rows + columns


def with_dustbin(scores: Tensor, dustbin: Tensor) -> Tensor:
    """(B, m, n) scores with one more row filled with a scalar: what belongs to no cluster goes there."""
    row = dustbin.to(scores.dtype).expand(scores.shape[0], 1, scores.shape[2])
    return torch.cat([scores, row], dim=1)
