"""Reconstruction of hidden patches: the loss of masked autoencoders (He et al., CVPR 2022) as Pair-VPR trains with."""

import torch
from torch import Tensor

EPSILON = 1e-6
"""Added to the variance of a patch, so that a patch of one colour stays finite."""


def standardised(patches: Tensor) -> Tensor:
    """(B, N, P) patches, each less its mean and over its deviation (unbiased variance plus `EPSILON`)."""
    mean = patches.mean(-1, keepdim=True)
    return (patches - mean) / (patches.var(-1, keepdim=True) + EPSILON).sqrt()


def masked_mse(prediction: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean over the masked patches of all images of a patch's mean squared error.

    Args:
        prediction, target: (B, N, P) pixels of every patch.
        mask: (B, N) bool, True patches count; None for all.

    Returns:
        A scalar; NaN where nothing counts.
    """
    errors = (prediction - target).square().mean(-1)
    if mask is None:
        return errors.mean()
    counted = mask.to(errors.dtype)
    return (errors * counted).sum() / counted.sum()


def masked_mse_by_group(prediction: Tensor, target: Tensor, mask: Tensor, groups: Tensor, count: int) -> Tensor:
    """(count,) `masked_mse` of the images of each group alone, NaN for a group without any.

    Args:
        prediction, target, mask: as of `masked_mse`.
        groups: (B,) number of each image's group.
        count: how many groups there are.
    """
    errors = (prediction - target).square().mean(-1) * mask
    member = (groups[:, None] == torch.arange(count, device=groups.device)).to(errors.dtype)
    return (member.T @ errors).sum(1) / (member.T @ mask.to(errors.dtype)).sum(1)
